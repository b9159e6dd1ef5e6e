"""Goldens of film decoding: grey pixels at full and at reduced size by Pillow, squares by OpenCV's
area filter."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFilter, ImageOps

OUT = Path(__file__).parents[1] / "golden" / "film"
OUT.mkdir(parents=True, exist_ok=True)


def picture(width, height, channels):
    """Smooth shapes with a little texture, by formula."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [127 + 90 * np.sin(x / (7 + c) + c) * np.cos(y / (11 - c)) + 20 * ((x * 3 + y * 5 + c) % 4 - 1.5) for c in range(channels)]
    return np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)


def area(image, width, height):
    return Image.fromarray(cv2.resize(np.asarray(image), (width, height), interpolation=cv2.INTER_AREA))


def square(image, side, fit):
    w, h = image.size
    if fit == "pad":
        longest = max(w, h)
        # Round half up, as Rust's f64::round does for positive values.
        small = area(image, *[max(1, int(v * side / longest + 0.5)) for v in (w, h)])
        out = Image.new("L", (side, side), 0)
        out.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
        return out
    s = min(w, h)
    left, top = (w - s) // 2, (h - s) // 2
    return area(image.crop((left, top, left + s, top + s)), side, side)


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
    # Only films that shrink: if a film grows, OpenCV interpolates instead.
    for fit in ("pad", "crop") if min(width, height) >= 25 else ():
        case[fit] = np.asarray(square(grey, 25, fit)).flatten().tolist()
    cases.append(case)
# Other kinds of PNG.
grey = picture(20, 16, 1).squeeze()
for name, image in [
    ("palette.png", Image.fromarray(picture(20, 16, 3)).quantize(30)),
    ("one_bit.png", Image.fromarray(grey).convert("1")),
    ("grey_alpha.png", Image.merge("LA", [Image.fromarray(grey), Image.fromarray(255 - grey)])),
]:
    image.save(OUT / name)
    read = Image.open(OUT / name)
    read = read.convert("RGB").convert("L") if name.startswith("palette") else read.convert("L")
    cases.append({"file": name, "width": 20, "height": 16, "pixels": np.asarray(read).flatten().tolist()})
Image.fromarray(picture(40, 30, 4), "CMYK").save(OUT / "cmyk.jpg", quality=90)
# Films for decoding at reduced size: some are smooth, as films are; one has whole blocks and
# texture.
for name, options in [("large.jpg", {}), ("tables.jpg", dict(optimize=True))]:
    smooth = Image.fromarray(picture(47, 51, 1).squeeze()).filter(ImageFilter.GaussianBlur(2)).resize((187, 203), Image.Resampling.BICUBIC)
    smooth.save(OUT / name, quality=90, **options)
Image.fromarray(picture(192, 160, 1).squeeze()).save(OUT / "restart.jpg", quality=80, restart_marker_blocks=5)
smooth = Image.fromarray(picture(48, 40, 3)).filter(ImageFilter.GaussianBlur(2)).resize((192, 160), Image.Resampling.BICUBIC)
smooth.convert("L").save(OUT / "large_progressive.jpg", quality=90, progressive=True)
smooth.save(OUT / "large_colour.jpg", quality=90)
# For these sides, Pillow also decodes at 1/8, 1/4 and 1/2.
for name in ("restart.jpg", "large_progressive.jpg", "large_colour.jpg"):
    case = {"file": name, "width": 192, "height": 160, "small": {}}
    for side, scale in ((15, 8), (30, 4), (70, 2)):
        image = Image.open(OUT / name)
        image.draft("L", (192 // scale, 160 // scale))
        assert image.size == (192 // scale, 160 // scale)
        case["small"][side] = np.asarray(square(image.convert("L"), side, "pad")).flatten().tolist()
    cases.append(case)
# Stored on its side, upside down or mirrored, as the EXIF orientation says: all eight values.
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind, options in [("jpg", dict(quality=90)), ("png", {})]:
        name = f"exif_{orientation}.{kind}"
        Image.fromarray(picture(19, 26, 1).squeeze()).save(OUT / name, exif=exif, **options)
        image = ImageOps.exif_transpose(Image.open(OUT / name))
        cases.append({"file": name, "width": image.width, "height": image.height, "pixels": np.asarray(image).flatten().tolist()})
# A film of 16 bits: the window runs from its smallest to its largest value.
deep = (picture(20, 16, 1).squeeze().astype(np.uint16) << 8) + 77
Image.fromarray(deep).save(OUT / "deep.png")
low, high = deep.min(), deep.max()
cases.append({"file": "deep.png", "width": 20, "height": 16, "pixels": np.floor((deep - low) / (high - low) * 255 + 0.5).astype(int).flatten().tolist()})
# The same in colour: the luma keeps 16 bits until the window is applied, and so does the largest channel, a mask's value.
colour = (picture(20, 16, 3).astype(np.int64) << 8) + 77
cv2.imwrite(str(OUT / "deep_colour.png"), colour[..., ::-1].astype(np.uint16))
luma = (colour @ [19595, 38470, 7471] + 0x8000) >> 16
low, high = luma.min(), luma.max()
case = {"file": "deep_colour.png", "width": 20, "height": 16, "stored": colour.max(axis=2).flatten().tolist()}
cases.append(case | {"pixels": np.floor((luma - low) / (high - low) * 255 + 0.5).astype(int).flatten().tolist()})
(OUT / "film.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
