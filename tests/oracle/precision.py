"""Goldens of bf16 autocast on the CPU and of torch.amp.GradScaler."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from formula import values, weights

OUT = Path(__file__).parents[1] / "golden" / "precision"
OUT.mkdir(parents=True, exist_ok=True)

SHAPES = {"conv.weight": (4, 3, 3, 3), "norm.weight": (4,), "norm.bias": (4,), "fc.weight": (5, 4), "fc.bias": (5,)}


def autocast():
    p = {n: torch.from_numpy(weights(n, s)).float().requires_grad_() for n, s in SHAPES.items()}
    x = torch.from_numpy(values("films", (2, 3, 6, 6))).float()
    out = {}
    with torch.autocast("cpu", torch.bfloat16):
        out["conv"] = F.conv2d(x, p["conv.weight"], padding=1)
        out["norm"] = F.batch_norm(out["conv"], None, None, p["norm.weight"], p["norm.bias"], training=True)
        out["relu"] = F.relu(out["norm"])
        out["pooled"] = out["relu"].mean((2, 3))
        out["linear"] = F.linear(out["pooled"], p["fc.weight"], p["fc.bias"])
        out["sum_f32"] = out["linear"] + torch.ones(5)
        out["log_softmax"] = F.log_softmax(out["linear"], 1)
        out["loss"] = F.mse_loss(out["linear"], torch.zeros(2, 5))
    out["loss"].backward()
    out |= {f"gradient.{n}": t.grad for n, t in p.items()}
    return {n: {"dtype": str(t.dtype).removeprefix("torch."), "values": t.detach().float().flatten()[:16].tolist()} for n, t in out.items()}


def scaler():
    """Gradients overflow at steps 0, 1 and 5. The scale doubles 2000 good steps after the last
    overflow."""
    p = torch.nn.Parameter(torch.from_numpy(values("p", (3,))).float())
    optimiser = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.01, fused=True)
    scaler = torch.amp.GradScaler("cpu")
    lines = []
    for step in range(2010):
        factor = float("inf") if step in (0, 1, 5) else 1.0
        loss = (p * torch.from_numpy(values(f"c.{step % 4}", (3,))).float() * factor).sum()
        scaler.scale(loss).backward()
        scaler.unscale_(optimiser)
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()
        if step < 8 or step > 2002:
            lines.append([step, scaler.get_scale(), scaler._get_growth_tracker(), *p.tolist()])
    return lines


(OUT / "precision.json").write_text(json.dumps({"autocast": autocast(), "scaler": scaler()}) + "\n")
