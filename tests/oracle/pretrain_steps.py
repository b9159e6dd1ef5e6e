"""Golden of ten optimiser steps of M-FLAG in PyTorch float64: torchvision's ResNet-18, the two
projectors, both losses, torch.optim.AdamW. formula.py gives the weights and batches, as in Rust."""
import json
from pathlib import Path
import torch
import torchvision
from formula import values, weights
from loss import alignment, orthogonality, standardise

TEXT, HIDDEN, OUTPUT, BATCH, SIDE = 12, 32, 16, 8, 64


def projector(width):
    return torch.nn.Sequential(
        torch.nn.Linear(width, HIDDEN), torch.nn.BatchNorm1d(HIDDEN), torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, OUTPUT), torch.nn.BatchNorm1d(OUTPUT, affine=False))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torchvision.models.resnet18(weights=None)
        self.encoder.fc = torch.nn.Identity()
        self.proj_v, self.proj_t = projector(512), projector(TEXT)


def run(form):
    model = Model().double()
    with torch.no_grad():
        for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(torch.from_numpy(weights(name, tensor.shape)))
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    steps = []
    for step in range(10):
        films = torch.from_numpy(values(f"films{step}", (BATCH, 3, SIDE, SIDE)))
        texts = torch.from_numpy(values(f"texts{step}", (BATCH, TEXT)))
        x = model.encoder(films)
        align = alignment(model.proj_v(x), model.proj_t(texts))
        orth = orthogonality(standardise(x) if form == "normalised" else x)
        optimiser.zero_grad()
        (align + orth).backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
        optimiser.step()
        steps.append({"alignment": align.item(), "orthogonality": orth.item(), "gradient_norm": norm.item()})
    names = ["encoder.conv1.weight", "encoder.bn1.running_var", "encoder.layer4.1.conv2.weight", "proj_v.0.bias",
             "proj_t.1.weight", "proj_v.4.running_mean"]
    state = model.state_dict()
    return {"steps": steps, "after": {n: state[n].flatten()[:5].tolist() for n in names}}


if __name__ == "__main__":
    out = Path(__file__).parent.parent / "golden" / "pretrain_steps"
    out.mkdir(parents=True, exist_ok=True)
    golden = {form: run(form) for form in ("official", "normalised")}
    (out / "steps.json").write_text(json.dumps(golden, indent=1))
