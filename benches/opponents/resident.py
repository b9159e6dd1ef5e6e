"""Only the kernels of a pre-training step: films and report vectors are already in memory; nothing
is read, augmented, logged or checked. Uses bf16 autocast, channels-last, fused AdamW, and the
orthogonality loss over the smaller matrix. Run by a Worker (benches/common.py).

    resident.py BATCH CHANNELS"""

import sys

import torch
from torch import nn

from common import serve
from opponents.official import Flag


def losses(pooled, v, t):
    v, t = nn.functional.normalize(v.float(), dim=-1), nn.functional.normalize(t.float(), dim=-1)
    align = (4 - 4 * (v * t).sum(-1)).mean()
    x = pooled.float()
    diagonal = (x**2).sum(0) / len(x)
    every = ((x @ x.T / len(x)) ** 2).sum()
    return align + 0.5 * (((diagonal - 1) ** 2).sum() + 0.0051 * (every - (diagonal**2).sum()))


def main():
    batch, channels = int(sys.argv[1]), int(sys.argv[2])
    torch.manual_seed(0)
    network = Flag()
    if channels == 1:
        network.encoder.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-5, weight_decay=0.05, fused=True)
    films = torch.randn(batch, channels, 224, 224).to(memory_format=torch.channels_last)
    texts = torch.randn(batch, 768)

    def step():
        with torch.autocast("cpu", torch.bfloat16):
            latents = network(films, texts)
        losses(*latents).backward()
        optimiser.step()
        optimiser.zero_grad()

    serve(step)


if __name__ == "__main__":
    main()
