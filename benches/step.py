"""Measures one pre-training step of mflag, from the store to the optimiser, in turns with the
published code's step and with the same kernels in PyTorch alone."""

import argparse
import os
import sys

from common import WORK, Run, Worker, compare, language_model, machine, pretrain_settings, store

GOALS = {"fp32": "≥ 10", "bf16": "≥ 4"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="steps of mflag and the kernels per turn; the published code runs 1")
    parser.add_argument("--against", nargs="+", choices=["published", "kernels"], default=["published", "kernels"])
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of every program; 0: one per core")
    args = parser.parse_args()
    if args.threads:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
    print(machine())
    for batch in args.batch:
        one_batch_size(batch, args)


def one_batch_size(batch, args):
    films, model = store(), language_model()
    flags = pretrain_settings(films, model, batch, **{"train.threads": args.threads})
    ours = Run("mflag-pretrain", WORK / f"step-{batch}", batch, args.steps, flags)
    opponents = {}
    if "published" in args.against:
        for precision, goal in GOALS.items():
            worker = Worker(sys.executable, "benches/opponents/official.py", films, model, batch, precision)
            opponents[f"published, {precision}"] = (worker, 1, goal)
    if "kernels" in args.against:
        for channels, name in ((3, "3 channels"), (1, "1 channel")):
            worker = Worker(sys.executable, "benches/opponents/resident.py", batch, channels)
            opponents[f"kernels, {name}"] = (worker, args.steps, "≥ 0.97")
    print(f"\nBatch {batch}, {args.rounds} rounds")
    compare(ours, args.steps, opponents, args.rounds)


if __name__ == "__main__":
    main()
