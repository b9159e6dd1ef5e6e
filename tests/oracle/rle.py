"""Goldens of run-length encoding: masks as strings of Kaggle's usual kind and of SIIM-ACR's kind, by
NumPy and by SIIM-ACR's own decoder."""

import json
from pathlib import Path

import numpy as np

OUT = Path(__file__).parents[1] / "golden" / "rle"
OUT.mkdir(parents=True, exist_ok=True)


def absolute(mask):
    """Kaggle's usual string: pairs of first pixel (from 1) and length, column by column."""
    pixels = np.concatenate([[0], mask.T.reshape(-1), [0]])
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges[1::2] -= edges[::2]
    return " ".join(map(str, edges))


def relative(mask):
    """SIIM's string: pairs of pixels since the end of the last run and length, column by column."""
    pairs, count, inside = [], 0, False
    for pixel in mask.T.reshape(-1):
        if bool(pixel) != inside:
            pairs.append(count)
            count, inside = 0, not inside
        count += 1
    if inside:
        pairs.append(count)
    return " ".join(map(str, pairs))


def decode_relative(text, width, height):
    """SIIM's mask_functions.rle2mask: each offset and each length advances the position."""
    numbers = list(map(int, text.split()))
    plane, position = np.zeros(width * height, np.uint8), 0
    for offset, length in zip(numbers[::2], numbers[1::2]):
        position += offset
        plane[position : position + length] = 1
        position += length
    return plane.reshape(width, height).T


def disc(width, height, x, y, radius):
    rows, columns = np.mgrid[0:height, 0:width]
    return ((columns - x) ** 2 + (rows - y) ** 2 <= radius**2).astype(np.uint8)


random = np.random.default_rng(20)
masks = {
    "empty": np.zeros((4, 3), np.uint8),
    "full": np.ones((4, 3), np.uint8),
    "first_and_last": np.array([[1, 0, 0], [0, 0, 1]], np.uint8),
    "one_row": np.array([[0, 1, 1, 0, 1]], np.uint8),
    "one_column": np.array([[1], [0], [1], [1]], np.uint8),
    # A run continues from the bottom of one column to the top of the next.
    "over_the_edge": np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0]], np.uint8),
    "disc": disc(40, 30, 12, 17, 8.3),
    "cut_disc": disc(31, 47, 28, 40, 11),
    "noise": (random.random((17, 23)) < 0.4).astype(np.uint8),
}
cases = []
for name, mask in masks.items():
    height, width = mask.shape
    strings = dict(relative=relative(mask), absolute=absolute(mask))
    assert (decode_relative(strings["relative"], width, height) == mask).all(), name
    rows = ["".join(map(str, row)) for row in mask]
    cases.append(dict(name=name, width=width, height=height, rows=rows, **strings))

(OUT / "rle.json").write_text(json.dumps(cases, indent=1) + "\n")
