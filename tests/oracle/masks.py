"""Goldens of masks in files: a disc, saved as users save masks, and what Pillow makes of resized ones.

Writes small pictures (tests/golden/masks/*.png, *.jpg) and prints the disc's area."""
from pathlib import Path

import numpy as np
from PIL import Image

out = Path(__file__).parent.parent / "golden" / "masks"
out.mkdir(parents=True, exist_ok=True)
side = 128
y, x = np.mgrid[0:side, 0:side]
disc = (x - 50) ** 2 + (y - 60) ** 2 < 30 ** 2
mask = (disc * 255).astype(np.uint8)
zero = np.zeros_like(mask)
image = Image.fromarray

image(mask).save(out / "plain.png")
image(disc.astype(np.uint8)).save(out / "zero-one.png")
image(np.maximum(mask, 1)).save(out / "one-for-black.png")
image(np.dstack([mask, zero, zero])).save(out / "red.png")
image(np.dstack([zero, zero, disc.astype(np.uint8) * 128])).save(out / "blue.png")
image(np.dstack([zero + 255, zero + 255, zero + 255, mask])).save(out / "white-transparent.png")
image(disc.astype(np.uint16) * 65535).save(out / "deep.png")
palette = image(disc.astype(np.uint8)).convert("P")
palette.putpalette([0, 0, 0, 128, 0, 0] + [0] * 750)
palette.save(out / "palette.png")
image(mask).save(out / "lossy-75.jpg", quality=75)
image(mask).save(out / "lossy-95.jpg", quality=95)
image(np.asarray(Image.open(out / "lossy-75.jpg"))).save(out / "lossy.png")
small = image(mask).resize((side // 4, side // 4), Image.Resampling.BILINEAR)
small.resize((side, side), Image.Resampling.BICUBIC).save(out / "resized.png")
# Two lungs as two classes: both belong to the mask.
lungs = disc * (1 + (x > 50))
image(lungs.astype(np.uint8)).save(out / "classes.png")
image((lungs * 127).astype(np.uint8)).save(out / "grey-classes.png")
# Refused: which pixels are set is unknown.
image(disc.astype(np.uint8)).save(out / "small-lossy.jpg", quality=75)
image(np.where(disc, 255, 200).astype(np.uint8)).save(out / "no-black.png")
image(np.clip(255 - np.hypot(x - 50, y - 60) * 4, 0, 255).astype(np.uint8)).save(out / "heat.png")
image(np.where(disc, np.where(x > 50, 255, 3), 0).astype(np.uint8)).save(out / "dark-class.png")

for width, height in [(64, 64), (96, 96), (200, 200), (127, 128)]:
    nearest = image(mask).resize((width, height), Image.Resampling.NEAREST)
    nearest.save(out / f"nearest-{width}x{height}.png")
print("pixels of the disc:", disc.sum())
