"""Goldens of AdamW with parameter groups and clipping, by torch.optim.AdamW: float64 and fused
float32."""

import json
from pathlib import Path

import torch

from formula import values, weights

OUT = Path(__file__).parents[1] / "golden" / "adamw"
OUT.mkdir(parents=True, exist_ok=True)

SHAPES = {"stem.weight": (4, 3, 3, 3), "norm.weight": (4,), "norm.bias": (4,), "head.weight": (5, 4), "head.bias": (5,), "late.weight": (2, 2)}
# By group: its parameters, the factor of its learning rate, the weight decay of its matrices.
GROUPS = {"body": (["stem.weight", "norm.weight", "norm.bias"], 1.0, 0.05), "head": (["head.weight", "head.bias", "late.weight"], 0.1, 0.2)}
STEPS, CLIP = 10, 1.0


def rate(step):
    return 0.01 * (1 - step / 20)


def gradient(name, step):
    """A gradient that is small in even steps, so that it is clipped in odd steps only. `late` has no
    gradient before step 4."""
    if name.startswith("late") and step < 4:
        return None
    return torch.from_numpy(values(f"gradient.{step}.{name}", SHAPES[name])) * (0.05 if step % 2 == 0 else 1.0)


def run(kind, **how):
    parameters = {n: torch.nn.Parameter(torch.from_numpy(weights(n, s)).to(kind)) for n, s in SHAPES.items()}
    groups = []
    for names, scale, decay in GROUPS.values():
        for one_dimensional in (False, True):
            own = [parameters[n] for n in names if (len(SHAPES[n]) == 1) == one_dimensional]
            groups.append({"params": own, "weight_decay": 0.0 if one_dimensional else decay, "scale": scale})
    optimiser = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.99), eps=1e-8, **how)
    norms = []
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = rate(step) * group["scale"]
        for name, p in parameters.items():
            g = gradient(name, step)
            p.grad = None if g is None else g.to(kind)
        norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP).item())
        optimiser.step()
    state = {n: optimiser.state[p] for n, p in parameters.items()}
    return {
        "norms": norms,
        "parameters": {n: p.flatten().tolist() for n, p in parameters.items()},
        "exp_avg": {n: s["exp_avg"].flatten().tolist() for n, s in state.items()},
        "exp_avg_sq": {n: s["exp_avg_sq"].flatten().tolist() for n, s in state.items()},
        "step": {n: s["step"].item() for n, s in state.items()},
    }


golden = {"float64": run(torch.float64, foreach=False), "float32": run(torch.float32, fused=True)}
(OUT / "adamw.json").write_text(json.dumps(golden) + "\n")
