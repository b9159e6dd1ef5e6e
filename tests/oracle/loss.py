"""Goldens of the pre-training losses: value and gradient by torch autograd in float64, by the
formulas of docs/method.md; inputs are float32."""
import json
from pathlib import Path
import torch

torch.manual_seed(8347)
LAMBDA = 0.0051


def alignment(v, t):
    cos = torch.nn.functional.cosine_similarity(v, t, dim=-1)
    symmetric = (2 - 2 * cos) + (2 - 2 * cos)
    return symmetric.mean()


def orthogonality(x):
    c = x.T @ x / x.shape[0]
    on = (torch.diagonal(c) - 1).pow(2).sum()
    off = (c - torch.diag(torch.diagonal(c))).pow(2).sum()
    return 0.5 * (on + LAMBDA * off)


def standardise(x):
    return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()


def case(batch, width):
    x = (torch.rand(batch, width) * 1.3).float().double().requires_grad_()
    row = {"batch": batch, "width": width, "x": x.flatten().tolist()}
    for name, loss in (("official", orthogonality(x)), ("normalised", orthogonality(standardise(x)))):
        (grad,) = torch.autograd.grad(loss, x)
        row[name] = {"value": loss.item(), "gradient": grad.flatten().tolist()}
    return row


if __name__ == "__main__":
    v = torch.randn(5, 7).float().double().requires_grad_()
    t = torch.randn(5, 7).float().double().requires_grad_()
    loss = alignment(v, t)
    gv, gt = torch.autograd.grad(loss, (v, t))
    golden = {
        "lambda": LAMBDA,
        "alignment": {"v": v.flatten().tolist(), "t": t.flatten().tolist(), "batch": 5, "width": 7,
                      "value": loss.item(), "gradient_v": gv.flatten().tolist(), "gradient_t": gt.flatten().tolist()},
        "orthogonality": [case(4, 24), case(16, 16), case(24, 6)],
    }
    out = Path(__file__).parent.parent / "golden" / "loss"
    out.mkdir(parents=True, exist_ok=True)
    (out / "loss.json").write_text(json.dumps(golden))
