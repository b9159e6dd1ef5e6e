"""Goldens of squares that lose a film's shape: OpenCV's bilinear resizing without a filter (MGCA), and
what M-FLAG's authors do to a film, by numpy and scikit-image; of greys as shares of the brightest (MGCA)."""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage.transform import resize

OUT = Path(__file__).parents[1] / "golden" / "film"


def picture(width, height):
    """Smooth shapes with texture, from 13 to 229."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = 121 + 80 * np.sin(x / 7) * np.cos(y / 11) + 18.6 * ((x * 3 + y * 5) % 4 - 1.5)
    return np.clip(waves, 13, 229).astype(np.uint8)


def official(film, side):
    """Inside the black borders, stretched from 0 to 256; what reaches 256 stays white instead of overflowing."""
    rows, columns = np.nonzero(film)
    film = film[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float64)
    film = (film - film.min()) * (1 / (film.max() - film.min()) * 256)
    film = resize(film, (side, side), order=1, preserve_range=True, anti_aliasing=False)
    return np.minimum(film, 255).astype(np.uint8)


bordered = np.zeros((83, 97), np.uint8)
bordered[5:76, 11:90] = picture(79, 71)
# Black pixels inside are no border.
bordered[30:33, 40:44] = 0
Image.fromarray(bordered).save(OUT / "bordered.png")
dim = (picture(61, 97) * 0.8).astype(np.uint8)
Image.fromarray(dim).save(OUT / "dim.png")

cases = []
for name, film in (("bordered.png", bordered), ("dim.png", dim)):
    rows, columns = np.nonzero(film)
    part = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    case = {"file": name, "part": [int(edge) for edge in part], "squares": []}
    for side in (17, 25, 50):
        squeezed = cv2.resize(film, (side, side), interpolation=cv2.INTER_LINEAR)
        # Of the whole film by its brightest grey, as MGCA reads it, then squeezed.
        scaled = cv2.convertScaleAbs(film, alpha=255.0 / film.max())
        scaled = cv2.resize(scaled, (side, side), interpolation=cv2.INTER_LINEAR)
        squares = {"squeeze": squeezed, "max_scaled": scaled, "official": official(film, side)}
        case["squares"].append({"side": side} | {fit: square.flatten().tolist() for fit, square in squares.items()})
    cases.append(case)
(OUT / "squeeze.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
