"""Measures how many films a second and core the loader turns into views: mflag's loader on one
thread, in turns with torchvision's transforms in a DataLoader with one worker, on the same store."""

import argparse
import sys

from common import BIN, WORK, Worker, call, machine, median, spread, table

# Side of the stored square, side of the views, bits of the store.
STORES = [(256, 224, 8), (256, 224, 16), (512, 448, 8)]


def store(films, side, bits):
    """A prepared store of phantoms; made on first use."""
    folder = WORK / f"loader-{side}-{bits}"
    if not (folder / "store.json").exists():
        phantoms = WORK / "loader-phantoms"
        if not phantoms.exists():
            call(BIN / "mflag-data", "phantom", "--as", "manifest", "--films", films, "--side", 640, "--out", phantoms)
        call(BIN / "mflag-data", "prepare", "manifest", "--side", side, "--depth", bits, "--root", phantoms, "--out", folder)
    return folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(machine())
    rows = []
    for stored, side, bits in STORES:
        for way, config in (("crop", []), ("paper", ["configs/pretrain/paper.yaml"]), ("official", ["configs/pretrain/official.yaml"])):
            folder = store(args.films, stored, bits)
            sides = {"mflag": Worker("cargo", "bench", "--quiet", "-p", "mflag-store", "--bench", "loader", "--", folder, side, *config)}
            # Pillow's transforms know 8 bits a grey pixel alone.
            if bits == 8 and way != "official":
                sides["torchvision"] = Worker(sys.executable, "benches/opponents/loader.py", folder, side, way)
            for worker in sides.values():
                worker.run(1)
            rates = {name: [] for name in sides}
            for _ in range(args.rounds):
                for name, worker in sides.items():
                    turn = worker.run(3)
                    rates[name].append(turn["films"] / median(turn["seconds"]))
            for worker in sides.values():
                worker.close()
            opponent = rates.get("torchvision")
            ratio = [own / theirs for own, theirs in zip(rates["mflag"], opponent)] if opponent else []
            rows.append([f"{side} of {stored}", bits, way, spread(rates["mflag"], 0), spread(opponent, 0) if opponent else "", spread(ratio, 1) if ratio else ""])
    table(["view", "bits", "augmentation", "mflag, films/s a core", "torchvision, films/s a worker", "ratio"], rows)


if __name__ == "__main__":
    main()
