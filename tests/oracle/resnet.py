"""Goldens of ResNet-18 and -50, by torchvision in float64: features, statistics and gradients."""

import json
from pathlib import Path

import torch
import torchvision

from formula import values, weights

OUT = Path(__file__).parents[1] / "golden" / "resnet"
OUT.mkdir(parents=True, exist_ok=True)


def head(t, n=4):
    return t.detach().flatten()[:n].tolist()


for name in ("resnet18", "resnet50"):
    model = getattr(torchvision.models, name)().double()
    model.fc = torch.nn.Identity()
    state = {k: torch.from_numpy(weights(k, v.shape)) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    model.load_state_dict(state, strict=False)
    films = torch.from_numpy(values("films", (3, 1, 64, 64))).expand(-1, 3, -1, -1)
    stages = {}
    for i in range(1, 5):
        getattr(model, f"layer{i}").register_forward_hook(lambda m, a, out, i=i: stages.__setitem__(i, out))
    golden = {}
    for mode in ("eval", "train"):
        model.train(mode == "train")
        pooled = model(films)
        golden[mode] = {
            "pooled": head(pooled, 8),
            "sum": pooled.sum().item(),
            "stages": [[list(stages[i].shape), stages[i].mean().item(), stages[i].std().item()] for i in range(1, 5)],
        }
    (pooled * torch.from_numpy(values("cotangent", pooled.shape))).sum().backward()
    golden["gradients"] = {k: [p.grad.norm().item(), *head(p.grad, 2)] for k, p in model.named_parameters()}
    buffers = dict(model.named_buffers())
    golden["statistics"] = {k: head(v, 3) for k, v in buffers.items() if "running" in k and (k.startswith("bn1") or "layer4.1" in k)}
    golden["parameters"] = sum(p.numel() for p in model.parameters())
    golden["names"] = sorted(k for k in model.state_dict() if not k.endswith("num_batches_tracked"))
    (OUT / f"{name}.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
