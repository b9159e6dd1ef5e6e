"""Goldens of segmentation in float64: the U-Net of segmentation_models_pytorch on ResNet-18; the
losses by PyTorch."""

import json
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

from formula import values, weights

OUT = Path(__file__).parents[1] / "golden" / "segmentation"
OUT.mkdir(parents=True, exist_ok=True)


def tensor(name, shape):
    return torch.from_numpy(values(name, shape))


model = smp.Unet("resnet18", encoder_weights=None).double()
names = [k for k in model.state_dict() if not k.endswith("num_batches_tracked")]
model.load_state_dict({k: torch.from_numpy(weights(k, model.state_dict()[k].shape)) for k in names}, strict=False)
films = tensor("films", (2, 1, 64, 64)).expand(-1, 3, -1, -1)
golden = {"names": sorted(k for k in names if not k.startswith("encoder."))}
for mode in ("eval", "train"):
    model.train(mode == "train")
    logits = model(films)
    golden[mode] = {"shape": list(logits.shape), "sum": logits.sum().item(), "first": logits.flatten()[:6].tolist()}
(logits * tensor("cotangent", logits.shape)).sum().backward()
golden["gradients"] = {k: p.grad.norm().item() for k, p in model.named_parameters() if not k.startswith("encoder.")}
(OUT / "unet.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def soft_dice(logits, targets):
    p = logits.sigmoid()
    return (2 * (p * targets).sum() + 1) / (p.sum() + targets.sum() + 1)


def mixed(logits, targets):
    p = logits.sigmoid()
    right = torch.where(targets == 1, p, 1 - p)
    focal = ((1 - right) ** 2 * -right.log()).mean()
    return 10 * focal - soft_dice(logits, targets).log()


def mixed_soft(logits, targets):
    """MGCA's MixedLoss for targets between 0 and 1."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    wrong = (logits * (1 - 2 * targets)).sigmoid()
    return 10 * (wrong**2 * cross_entropy).mean() - soft_dice(logits, targets).log()


losses = {
    "mixed": mixed,
    "dice": lambda x, t: 1 - soft_dice(x, t),
    "bce": F.binary_cross_entropy_with_logits,
    "dice_bce": lambda x, t: F.binary_cross_entropy_with_logits(x, t) + 1 - soft_dice(x, t),
}
cases = []
for name in ("some", "empty", "soft"):
    shape = (3, 1, 8, 8)
    values_of = tensor(f"targets/{name}", shape)
    targets = {"some": values_of > 0.6, "empty": torch.zeros(shape), "soft": values_of.clamp(0, 1)}[name].double()
    for loss, form in losses.items():
        form = mixed_soft if (name, loss) == ("soft", "mixed") else form
        logits = (4 * tensor(f"logits/{name}", shape)).requires_grad_()
        value = form(logits, targets)
        value.backward()
        cases.append({"case": name, "loss": loss, "value": value.item(), "gradient": logits.grad.flatten()[:8].tolist()})
(OUT / "loss.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
