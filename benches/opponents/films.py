"""Makes squares from the films of a manifest in one of several ways, and prints the seconds that it
takes.

    films.py loop|loop-plain|draft|floor MANIFEST SIDE

loop: decodes at full size and resizes with scikit-image, on one core. loop-plain: the same without
anti-aliasing. draft: lets Pillow decode at the smallest size that is enough, and resizes, on all
cores. floor: decodes at a reduced size and does nothing else, on all cores."""

import csv
import multiprocessing
import os
import sys
import time

import cv2
import numpy as np
import pydicom
import simplejpeg
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.uid import JPEGBaseline8Bit
from skimage.transform import resize

cv2.setNumThreads(1)
SIDE = int(sys.argv[3])


def pixels(path):
    """Decodes a film at full size."""
    if path.endswith(".dcm"):
        return pydicom.dcmread(path).pixel_array
    return np.asarray(Image.open(path).convert("L"))


def jpeg(path):
    """Returns the bytes of a film's JPEG, or None if the film is not a JPEG."""
    if not path.endswith(".dcm"):
        with open(path, "rb") as file:
            return file.read()
    ds = pydicom.dcmread(path)
    if ds.file_meta.TransferSyntaxUID == JPEGBaseline8Bit:
        return get_frame(ds.PixelData, 0, number_of_frames=1)
    return None


def grey(values):
    """Scales the full range of values to 8 bits."""
    if values.dtype == np.uint8:
        return values
    low, high = values.min(), values.max()
    return ((values - low) * (255.0 / (high - low)) + 0.5).astype(np.uint8)


def loop(path):
    return (resize(grey(pixels(path)), (SIDE, SIDE), order=1) * 255).astype(np.uint8)


def loop_plain(path):
    return (resize(grey(pixels(path)), (SIDE, SIDE), order=1, anti_aliasing=False) * 255).astype(np.uint8)


def draft(path):
    import io

    bytes_ = jpeg(path)
    if bytes_ is None:
        image = Image.fromarray(grey(pixels(path)))
    else:
        image = Image.open(io.BytesIO(bytes_))
        image.draft("L", (SIDE, SIDE))
    return np.asarray(image.convert("L").resize((SIDE, SIDE)))


def floor(path):
    """Only decodes, at the smallest size that is at least `SIDE`; resizes uncompressed films."""
    bytes_ = jpeg(path)
    if bytes_ is None:
        return cv2.resize(pixels(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return simplejpeg.decode_jpeg(bytes_, "GRAY", min_height=SIDE, min_width=SIDE)


def main():
    with open(sys.argv[2]) as file:
        paths = [row["film"] for row in csv.DictReader(file)]
    one = {"loop": loop, "loop-plain": loop_plain, "draft": draft, "floor": floor}[sys.argv[1]]
    processes = 1 if sys.argv[1].startswith("loop") else os.cpu_count()
    with multiprocessing.Pool(processes) as pool:
        pool.map(one, paths[:processes])
        begin = time.perf_counter()
        for square in pool.imap(one, paths, chunksize=4) if processes > 1 else map(one, paths):
            assert square.size >= SIDE * SIDE
        print(time.perf_counter() - begin)


if __name__ == "__main__":
    main()
