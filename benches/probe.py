"""Measures a whole linear probe of 50 epochs on a frozen ResNet-50, including the start of the
program and all files, in turns with PyTorch, which encodes the films again in each epoch. PyTorch's
epochs all take the same time, so each turn times one of them."""

import argparse
import shutil
import sys
import time

from common import BIN, WORK, Worker, call, machine, settings, spread, store, table

EPOCHS = 50


def ours(films, batch, folder):
    """Returns the seconds of the whole run."""
    shutil.rmtree(folder, ignore_errors=True)
    sets = {"data.side": 224, "data.resize": 256, "train.epochs": EPOCHS, "train.patience": "null", "train.log_every": 10}
    flags = settings("classification/chexclusion-mimic", films, batch, **sets)
    begin = time.perf_counter()
    call(BIN / "mflag-classify", "train", "--quiet", "--run", folder, *flags)
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--films", type=int, default=720)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(machine())
    films = store(args.films)
    workers = {
        f"PyTorch, {kind}": Worker(sys.executable, "benches/opponents/probe.py", films, args.batch, kind) for kind in ("fp32", "bf16")
    }
    for worker in workers.values():
        worker.run(1)
    turns = []
    for _ in range(args.rounds):
        turn = {"mflag": ours(films, args.batch, WORK / "probe")}
        turns.append(turn | {name: EPOCHS * worker.run(1)["seconds"][0] for name, worker in workers.items()})
    print(f"\n{args.films} films, batch {args.batch}, {args.rounds} rounds")
    rows = []
    for name in turns[0]:
        ratios = [turn[name] / turn["mflag"] for turn in turns]
        rows.append([name, spread([turn[name] for turn in turns], 1), *(["", ""] if name == "mflag" else [spread(ratios), "≥ 30"])])
    table(["program", f"seconds for {EPOCHS} epochs", "relative to mflag", "goal"], rows)
    for worker in workers.values():
        worker.close()


if __name__ == "__main__":
    main()
