"""Goldens of mflag-film from Pillow: decoding to grey, and squares by the BOX filter."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).parents[1] / "golden" / "film"
OUT.mkdir(parents=True, exist_ok=True)


def picture(width, height, channels):
    """Smooth shapes and a little texture, by formula."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [127 + 90 * np.sin(x / (7 + c) + c) * np.cos(y / (11 - c)) + 20 * ((x * 3 + y * 5 + c) % 4 - 1.5) for c in range(channels)]
    return np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)


def square(image, side, fit):
    w, h = image.size
    if fit == "pad":
        longest = max(w, h)
        # Half rounds up, as Rust's f64::round does.
        small = image.resize([max(1, int(v * side / longest + 0.5)) for v in (w, h)], Image.Resampling.BOX)
        out = Image.new("L", (side, side), 0)
        out.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
        return out
    s = min(w, h)
    left, top = (w - s) // 2, (h - s) // 2
    return image.crop((left, top, left + s, top + s)).resize((side, side), Image.Resampling.BOX)


cases = []
for name, width, height, channels, save in [
    ("grey.jpg", 61, 97, 1, dict(quality=90)),
    ("colour.jpg", 80, 50, 3, dict(quality=90, subsampling=0)),
    ("progressive.jpg", 70, 70, 1, dict(quality=85, progressive=True)),
    ("grey.png", 64, 33, 1, {}),
    ("colour.png", 31, 40, 3, {}),
    ("alpha.png", 30, 20, 4, {}),
]:
    array = picture(width, height, channels)
    Image.fromarray(array.squeeze()).save(OUT / name, **save)
    image = Image.open(OUT / name)
    grey = image.convert("RGB").convert("L") if channels == 4 else image.convert("L")
    case = {"file": name, "width": width, "height": height, "pixels": np.asarray(grey).flatten().tolist()}
    for fit in ("pad", "crop"):
        case[fit] = np.asarray(square(grey, 25, fit)).flatten().tolist()
    cases.append(case)
deep = (picture(20, 16, 1).squeeze().astype(np.uint16) << 8) + 77
Image.fromarray(deep).save(OUT / "deep.png")
cases.append({"file": "deep.png", "width": 20, "height": 16, "pixels": (deep >> 8).flatten().tolist()})
(OUT / "film.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
