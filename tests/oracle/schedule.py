"""Goldens of learning-rate schedules, step by step, by torch.optim.lr_scheduler."""

import json
import warnings
from pathlib import Path

import torch
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, LinearLR, SequentialLR

warnings.simplefilter("ignore")
OUT = Path(__file__).parents[1] / "golden" / "schedule"
OUT.mkdir(parents=True, exist_ok=True)


def rates(base, total, decay, warmup=0):
    """Learning rates of a warm-up followed by the scheduler that `decay` makes."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    if warmup:
        rise = LinearLR(optimiser, start_factor=1 / warmup, end_factor=1.0, total_iters=warmup - 1)
        scheduler = SequentialLR(optimiser, [rise, decay(optimiser)], milestones=[warmup])
    else:
        scheduler = decay(optimiser)
    found = []
    for _ in range(total):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return found


def constant(o):
    return ConstantLR(o, factor=1.0)


# The paper's schedule, here with 50 epochs of 60 steps on four processes:
# T_0 = int(E * N / (4 * B) * 0.4), with E epochs, N pairs and batches of B.
paper = 3000
cases = {
    "constant": rates(1e-3, 20, constant),
    "cosine": rates(1e-3, 50, lambda o: CosineAnnealingLR(o, 50)),
    "cosine_minimum": rates(1e-3, 50, lambda o: CosineAnnealingLR(o, 50, eta_min=1e-5)),
    "cosine_warmup": rates(1e-3, 50, lambda o: CosineAnnealingLR(o, 40, eta_min=1e-6), warmup=10),
    "constant_warmup": rates(1e-3, 20, constant, warmup=5),
    "restarts": rates(2e-5, 50, lambda o: CosineAnnealingWarmRestarts(o, 7, 1, 1e-8)),
    "restarts_doubling": rates(2e-5, 80, lambda o: CosineAnnealingWarmRestarts(o, 5, 2, 1e-8)),
    "restarts_warmup": rates(2e-5, 50, lambda o: CosineAnnealingWarmRestarts(o, 5, 2, 1e-8), warmup=8),
    "paper": rates(2e-5, paper, lambda o: CosineAnnealingWarmRestarts(o, int(paper * 0.4), 1, 1e-8))[::7],
}
(OUT / "schedule.json").write_text(json.dumps(cases) + "\n")
