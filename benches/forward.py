"""Measures the forward pass from films to features: mflag in turns with torchvision, both in
evaluation mode on films that are already in memory."""

import argparse
import sys

from common import Worker, machine, median, spread, table


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    print(machine())
    bench = ["cargo", "bench", "--quiet", "-p", "mflag-pretrain", "--bench", "forward", "--", args.batch]
    opponent = [sys.executable, "benches/opponents/forward.py", args.batch]
    sides = {f"{side}, {kind}": Worker(*command, kind) for side, command in (("mflag", bench), ("torchvision", opponent)) for kind in ("fp32", "bf16")}
    for worker in sides.values():
        worker.run(1)
    turns = [{name: median(worker.run(3)["seconds"]) for name, worker in sides.items()} for _ in range(args.rounds)]
    rows = []
    for name in sides:
        ratios = [turn[name] / turn["mflag, bf16"] for turn in turns]
        rows.append([name, spread([args.batch / turn[name] for turn in turns], 1), spread(ratios)])
    table(["program", "films per second", "time relative to mflag, bf16"], rows)
    for worker in sides.values():
        worker.close()


if __name__ == "__main__":
    main()
