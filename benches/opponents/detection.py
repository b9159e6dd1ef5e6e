"""A detection step by MGCA's protocol: YOLOv3 on a ResNet-50 with fixed weights (its BatchNorm
statistics still change); Python loops assign boxes to dense grids. Network and losses are those of
the goldens (tests/oracle/detection.py). Run by a Worker (benches/common.py).

    detection.py STORE BATCH fp32|bf16|kernels

bf16: with autocast, channels-last and fused AdamW. kernels: as bf16, but on one-channel films that
are already in memory, with the encoder in evaluation mode, as in mflag; nothing is read or
checked."""

import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.models import resnet50
from torchvision.models._utils import IntermediateLayerGetter

sys.path.insert(0, "tests/oracle")

from common import serve, stored_films
from detection import Decoder, loss
from opponents.official import endless

SIDE = 224


class Films(Dataset):
    """Films with their boxes (class, centre x, centre y, width, height) in pixels of the square."""

    def __init__(self, store):
        self.films = [(film, self.boxes(record)) for film, record in stored_films(store)]

    @staticmethod
    def boxes(record):
        scale = [SIDE / size for size in record["size"]]
        corners = [(b["x"] * scale[0], b["y"] * scale[1], b["width"] * scale[0], b["height"] * scale[1]) for b in record.get("boxes", [])]
        return [(0, x + w / 2, y + h / 2, w, h) for x, y, w, h in corners]

    def __len__(self):
        return len(self.films)

    def __getitem__(self, index):
        film, boxes = self.films[index]
        film = film.astype(np.float32) / 127.5 - 1
        return torch.from_numpy(np.repeat(film[None], 3, axis=0)), boxes


def together(films):
    return torch.stack([film for film, _ in films]), [boxes for _, boxes in films]


def main():
    store, batch, way = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.manual_seed(0)
    fast, bare = way != "fp32", way == "kernels"
    encoder = resnet50()
    if bare:
        encoder.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    encoder = IntermediateLayerGetter(encoder, {"layer2": "c3", "layer3": "c4", "layer4": "c5"}).requires_grad_(False)
    encoder.train(not bare)
    decoder = Decoder(512, 1024, 2048, classes=1)
    layout = torch.channels_last if fast else torch.contiguous_format
    encoder, decoder = encoder.to(memory_format=layout), decoder.to(memory_format=layout)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=5e-4, weight_decay=1e-6, fused=fast)
    loader = DataLoader(Films(store), batch, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True, collate_fn=together)
    batches = endless(loader)
    if bare:
        films, boxes = next(batches)
        batches = endless([(films[:, :1].to(memory_format=layout), boxes)])

    def step():
        films, boxes = next(batches)
        with torch.autocast("cpu", torch.bfloat16) if fast else nullcontext():
            outputs = decoder(**encoder(films.to(memory_format=layout)))
        parts = loss([output.float() for output in outputs], boxes, 1, SIDE)
        optimiser.zero_grad()
        sum(parts.values()).backward()
        optimiser.step()
        if not bare:
            [part.item() for part in parts.values()]

    serve(step)


if __name__ == "__main__":
    main()
