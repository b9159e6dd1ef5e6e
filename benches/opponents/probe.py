"""A linear probe that encodes every film again in every epoch, as the published code does: a
ResNet-50 with fixed weights, one linear layer on its pooled features, and DataLoader workers that
crop the films of a store to 224 px. A step is an epoch: training films, then validation films.
Run by a Worker (benches/common.py).

    probe.py STORE BATCH fp32|bf16

bf16: with autocast, channels-last and fused AdamW."""

import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.models import resnet50

from common import serve, stored_films

SIDE = 224


class Films(Dataset):
    def __init__(self, store, split):
        self.films = [(film, self.present(record)) for film, record in stored_films(store, split)]

    @staticmethod
    def present(record):
        return np.array([value == 1 for value in record["labels"]], np.float32)

    def __len__(self):
        return len(self.films)

    def __getitem__(self, index):
        film, targets = self.films[index]
        edge = (len(film) - SIDE) // 2
        film = film[edge : edge + SIDE, edge : edge + SIDE].astype(np.float32) / 127.5 - 1
        return torch.from_numpy(np.repeat(film[None], 3, axis=0)), torch.from_numpy(targets)


def main():
    store, batch, fast = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "bf16"
    torch.manual_seed(0)
    encoder = resnet50().eval().requires_grad_(False)
    encoder.fc = torch.nn.Identity()
    layout = torch.channels_last if fast else torch.contiguous_format
    encoder = encoder.to(memory_format=layout)
    sets = {split: Films(store, split) for split in ("train", "validate")}
    linear = torch.nn.Linear(2048, len(sets["train"].films[0][1]))
    optimiser = torch.optim.AdamW(linear.parameters(), lr=5e-4, weight_decay=1e-6, fused=fast)
    loaders = {
        split: DataLoader(films, batch, shuffle=split == "train", num_workers=2, persistent_workers=True) for split, films in sets.items()
    }

    def loss(films, targets):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16) if fast else nullcontext():
            pooled = encoder(films.to(memory_format=layout))
        return torch.nn.functional.binary_cross_entropy_with_logits(linear(pooled.float()), targets)

    def epoch():
        for films, targets in loaders["train"]:
            optimiser.zero_grad()
            loss(films, targets).backward()
            optimiser.step()
        with torch.no_grad():
            sum(loss(films, targets).item() for films, targets in loaders["validate"])

    serve(epoch)


if __name__ == "__main__":
    main()
