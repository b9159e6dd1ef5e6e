"""Measures `mflag-data prepare --side 256` on films of 2544×3056 (grey JPEGs, DICOM with JPEG, and
uncompressed DICOM), in turns with Python programs. mflag's time is that of the whole program, up to
the last byte on disk; Python's time excludes the start of Python."""

import argparse
import csv
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import BIN, ROOT, WORK, call, machine, peak_of, spread, table

SIDE = 256
HEIGHT = 3056
OPPONENTS = {
    "loop": "loop: decode whole, scikit-image",
    "loop-plain": "loop, `anti_aliasing=False`",
    "draft": "Pillow, smallest decode and resize, all cores",
    "floor": "floor: libjpeg-turbo or OpenCV, all cores",
}


def jpegs(films):
    """Full-size phantoms whose files are as large as MIMIC-CXR-JPG's; made on first use."""
    folder = WORK / f"films-{films}"
    if not (folder / "complete").exists():
        call(BIN / "mflag-data", "phantom", "--films", films, "--side", HEIGHT, "--out", folder)
        (folder / "complete").touch()
    # Lateral films are small and blank.
    return sorted(path for path in (folder / "files").rglob("*.jpg") if path.stat().st_size > 500_000)


def dicoms(films, folder, syntax):
    """The same films as DICOM with their JPEGs, or with 12 bits uncompressed; made on first use."""
    import numpy as np
    from PIL import Image
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for film in films:
        path = folder / f"{film.stem}.dcm"
        paths.append(path)
        if path.exists():
            continue
        jpeg = syntax == JPEGBaseline8Bit
        grey = np.asarray(Image.open(film))
        bits = 8 if jpeg else 12
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid(entropy_srcs=[film.stem])
        ds.Rows, ds.Columns = grey.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = (8, 8, 7) if jpeg else (16, bits, bits - 1)
        if jpeg:
            ds.PixelData = encapsulate([film.read_bytes()])
            ds["PixelData"].is_undefined_length = True
        else:
            ds.PixelData = (grey.astype("<u2") * 16 + grey % 16).tobytes()
        partial = path.with_suffix(".partial")
        ds.save_as(partial, enforce_file_format=True)
        partial.rename(path)
    return paths


def manifest(paths, folder):
    file = folder / "manifest.csv"
    with open(file, "w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["film", "patient", "split"])
        rows.writerows([path, number, "train"] for number, path in enumerate(paths))
    return file


def ours(listed):
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        out = Path(folder) / "store"
        begin = time.perf_counter()
        call(BIN / "mflag-data", "prepare", "manifest", "--quiet", "--root", listed, "--side", SIDE, "--out", out)
        return time.perf_counter() - begin


def theirs(way, listed):
    run = [sys.executable, "benches/opponents/films.py", way, str(listed), str(SIDE)]
    return float(subprocess.run(run, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


def compare(kind, paths, rounds):
    folder = WORK / "lists" / kind.replace(" ", "-").lower()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = manifest(paths, folder)
    size = sum(len(path.read_bytes()) for path in paths) / len(paths)
    turns = {way: [] for way in ["mflag", *OPPONENTS]}
    for _ in range(rounds):
        turns["mflag"].append(ours(listed))
        for way in OPPONENTS:
            turns[way].append(theirs(way, listed))
    rows = []
    for way, seconds in turns.items():
        rate = spread([len(paths) / s for s in seconds], 1)
        ratio = "" if way == "mflag" else spread([s / own for s, own in zip(seconds, turns["mflag"], strict=True)], 2)
        rows.append([OPPONENTS.get(way, "`mflag-data prepare`"), rate, ratio])
    print(f"\n### {kind}\n\n{len(paths)} films of 2544×{HEIGHT}, {size / 1e6:.2f} MB each on average, {rounds} rounds.")
    table(["", "films per second", "time relative to mflag"], rows)


def memory(few=1000, many=20_000):
    """Prints the peak memory of preparing few and many small films."""
    folder = WORK / f"films-small-{many}"
    if not (folder / "complete").exists():
        call(BIN / "mflag-data", "phantom", "--as", "mimic", "--films", many, "--side", 128, "--out", folder)
        (folder / "complete").touch()
    paths = sorted((folder / "files").rglob("*.jpg"))[:many]
    rows = []
    for number in (few, len(paths)):
        with tempfile.TemporaryDirectory(dir=WORK) as here:
            here = Path(here)
            listed = manifest(paths[:number], here)
            prepare = [BIN / "mflag-data", "prepare", "manifest", "--quiet", "--root", listed]
            peak = peak_of([*prepare, "--side", SIDE, "--out", here / "store"])
        rows.append([number, f"{peak / 1024:.0f}"])
    print("\n### Memory of preparation\n")
    table(["films of 128 px", "peak, MiB"], rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--plain", type=int, default=50, help="uncompressed DICOM films (15.5 MB each)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["jpeg", "dicom-jpeg", "dicom", "memory"])
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    names = ["pillow", "scikit-image", "simplejpeg", "opencv-python-headless", "pydicom"]
    print(machine() + "; " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))
    if args.only in (None, "memory"):
        memory()
    if args.only == "memory":
        return
    films = jpegs(args.films)
    if args.only in (None, "jpeg"):
        compare("Grey JPEG", films, args.rounds)
    if args.only in (None, "dicom-jpeg"):
        inside = dicoms(films, WORK / f"dicom-jpeg-{args.films}", "1.2.840.10008.1.2.4.50")
        compare("DICOM with JPEG baseline", inside, args.rounds)
    if args.only in (None, "dicom"):
        plain = dicoms(films[: args.plain], WORK / f"dicom-plain-{args.films}", "1.2.840.10008.1.2.1")
        compare("DICOM uncompressed", plain, args.rounds)


if __name__ == "__main__":
    main()
