"""torchvision's transforms in a DataLoader with one worker process, on the films of a store. Run by
a Worker (benches/common.py).

    loader.py STORE SIDE crop|paper"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from common import serve


class Films(torch.utils.data.Dataset):
    """The squares of a store, mapped from disk."""

    def __init__(self, store, transform):
        shards = [np.load(path, mmap_mode="r") for path in sorted(Path(store).glob("shards/*.npy"))]
        self.places = [(shard, index) for shard in shards for index in range(len(shard))]
        self.transform = transform

    def __len__(self):
        return len(self.places)

    def __getitem__(self, film):
        shard, index = self.places[film]
        return self.transform(Image.fromarray(np.asarray(shard[index, 0])))


def main():
    store, side, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    changes = [transforms.RandomCrop(side)]
    if way == "paper":
        # The section `augment` of configs/pretrain/paper.yaml.
        changes += [
            transforms.RandomRotation((0, 90)),
            transforms.RandomPerspective(0.5, 0.5, interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.RandomAutocontrast(0.5),
        ]
    films = Films(store, transforms.Compose([*changes, transforms.PILToTensor()]))
    loader = torch.utils.data.DataLoader(films, 32, shuffle=True, num_workers=1, prefetch_factor=2, persistent_workers=True)

    def step():
        for _ in loader:
            pass

    serve(step, films=len(films))


if __name__ == "__main__":
    main()
