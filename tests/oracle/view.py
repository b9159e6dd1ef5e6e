"""Goldens of views: a square, resized by OpenCV's area filter and cut in its middle, in 8 and in 16
bits; and a mask in it, which is set where at least half of a pixel is covered."""

import json
from pathlib import Path

import cv2
import numpy as np

OUT = Path(__file__).parents[1] / "golden" / "view"
OUT.mkdir(parents=True, exist_ok=True)
SQUARE = 24
# Sides of the resized square and of the view.
SIDES = [(24, 24), (24, 16), (18, 18), (18, 14), (15, 9), (12, 12), (5, 5)]

y, x = np.mgrid[0:SQUARE, 0:SQUARE].astype(np.float64)
film = 127 + 100 * np.sin(x / 3) * np.cos(y / 4) + 10 * ((x + 2 * y) % 3)
eight = np.clip(film, 0, 255).astype(np.uint8)
sixteen = np.clip(film * 257 + 31 * ((3 * x + y) % 7), 0, 65535).astype(np.uint16)
# A disc, and a line that is narrower than a pixel of the smaller squares.
mask = (255 * (((x - 8) ** 2 + (y - 11) ** 2 < 30) | ((x == 20) & (y > 4)))).astype(np.uint8)


def set_or_half(share):
    """1 where more than half of a pixel is covered, 0 where less; 2 where it is half, but for rounding."""
    return np.where(np.abs(share - 127.5) < 1e-3, 2, share > 127.5).astype(int)


def view(square, resize, side):
    resized = cv2.resize(square, (resize, resize), interpolation=cv2.INTER_AREA)
    start = (resize - side) // 2
    return resized[start : start + side, start : start + side]


cases = [
    {
        "resize": resize,
        "side": side,
        "eight": view(eight, resize, side).flatten().tolist(),
        "sixteen": view(sixteen, resize, side).flatten().tolist(),
        "cover": np.rint(view(mask.astype(np.float64), resize, side)).astype(int).flatten().tolist(),
        # In floats, so that the covered share is not rounded before it is compared.
        "mask": set_or_half(view(mask.astype(np.float64), resize, side)).flatten().tolist(),
    }
    for resize, side in SIDES
]
squares = {name: square.flatten().tolist() for name, square in [("eight", eight), ("sixteen", sixteen), ("mask", mask)]}
(OUT / "view.json").write_text(json.dumps({"square": SQUARE} | squares | {"cases": cases}, separators=(",", ":")) + "\n")
