"""A segmentation step by MGCA's protocol: segmentation_models_pytorch's U-Net on a ResNet-50 with
fixed weights (its BatchNorm statistics still change), OpenCV's augmentation in DataLoader workers,
focal loss and Dice. Run by a Worker (benches/common.py).

    segmentation.py STORE BATCH fp32|bf16|kernels

bf16: with autocast, channels-last and fused AdamW. kernels: as bf16, but on one-channel films that
are already in memory, with the encoder in evaluation mode, as in mflag; nothing is read, augmented
or checked."""

import sys
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch.utils.data import DataLoader, Dataset

from common import serve, stored_films
from opponents.official import endless

SIDE = 224


class Films(Dataset):
    def __init__(self, store):
        self.films = [(film, record.get("mask")) for film, record in stored_films(store)]
        self.random = np.random.default_rng(0)

    def __len__(self):
        return len(self.films)

    def __getitem__(self, index):
        film, mask = self.films[index]
        drawn = drawing(mask)
        if self.random.random() < 0.5:
            angle, scale, x, y = self.random.uniform([-10, 0.9, -0.1, -0.1], [10, 1.1, 0.1, 0.1])
            turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, scale)
            turn[:, 2] += x * SIDE, y * SIDE
            film = cv2.warpAffine(film, turn, (SIDE, SIDE))
            drawn = cv2.warpAffine(drawn, turn, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
        film = np.repeat((film.astype(np.float32) / 127.5 - 1)[None], 3, axis=0)
        return torch.from_numpy(film), torch.from_numpy(drawn.astype(np.float32)[None])


def drawing(mask):
    """The mask of a record as an image; empty if the record has none."""
    if mask is None:
        return np.zeros((SIDE, SIDE), np.uint8)
    columns = np.zeros(mask["width"] * mask["height"], np.uint8)
    for start, length in mask["runs"]:
        columns[start : start + length] = 1
    drawn = np.ascontiguousarray(columns.reshape(mask["width"], mask["height"]).T)
    return cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)


def mixed(logits, targets):
    """10 · focal − log Dice, over the batch."""
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    focal = ((1 - torch.exp(-each)) ** 2 * each).mean()
    p = logits.sigmoid()
    dice = (2 * (p * targets).sum() + 1) / (p.sum() + targets.sum() + 1)
    return 10 * focal - dice.log()


def main():
    store, batch, way = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.manual_seed(0)
    fast, bare = way != "fp32", way == "kernels"
    network = smp.Unet("resnet50", encoder_weights=None, in_channels=1 if bare else 3)
    network.encoder.requires_grad_(False)
    network.encoder.train(not bare)
    layout = torch.channels_last if fast else torch.contiguous_format
    network = network.to(memory_format=layout)
    optimiser = torch.optim.AdamW(network.decoder.parameters(), lr=5e-4, weight_decay=0.05, fused=fast)
    optimiser.add_param_group({"params": network.segmentation_head.parameters()})
    if bare:
        films = torch.randn(batch, 1, SIDE, SIDE).to(memory_format=layout)
        masks = (torch.rand(batch, 1, SIDE, SIDE) > 0.9).float()
        batches = endless([(films, masks)])
    else:
        batches = endless(DataLoader(Films(store), batch, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True))

    def step():
        films, masks = next(batches)
        with torch.autocast("cpu", torch.bfloat16) if fast else nullcontext():
            logits = network(films.to(memory_format=layout))
        loss = mixed(logits.float(), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if not bare:
            loss.item()

    serve(step)


if __name__ == "__main__":
    main()
