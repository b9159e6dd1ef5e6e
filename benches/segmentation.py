"""One segmentation step (U-Net on a frozen ResNet-50, 224 px) end to end, in turns with the same in Python and with the bare kernels."""

import argparse
import sys

from common import BIN, WORK, Run, Worker, call, compare, machine, settings

SIDE = 224


def store(films):
    """Phantoms in SIIM-ACR's layout, prepared; made once."""
    folder = WORK / f"siim-store-{films}"
    if not (folder / "store.json").exists():
        phantoms = WORK / f"siim-{films}"
        call(BIN / "mflag-data", "phantom", "--as", "siim", "--films", films, "--out", phantoms)
        call(BIN / "mflag-data", "prepare", "--dataset", "siim", "--side", SIDE, "--root", phantoms, "--out", folder)
    return folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--films", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    print(machine())
    films = store(args.films)
    ours = Run("mflag-segment", WORK / "segmentation", args.batch, args.steps, settings("segmentation/siim", films, args.batch))
    opponents = {}
    for way in ("fp32", "bf16", "kernels"):
        worker = Worker(sys.executable, "benches/opponents/segmentation.py", films, args.batch, way)
        opponents["kernels" if way == "kernels" else f"Python, {way}"] = (worker, args.steps, "")
    print(f"\nBatch {args.batch}, {args.rounds} rounds")
    compare(ours, args.steps, opponents, args.rounds)


if __name__ == "__main__":
    main()
