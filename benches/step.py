"""One pre-training step end to end, in turns with the published code's and with the bare kernels."""

import argparse
import json
import os
import shutil
import sys

from common import BIN, WORK, Worker, call, gib, language_model, machine, median, peak_of, pretrain_settings, spread, store, table


class Ours:
    """The real program: each turn resumes the run, whose first step warms up and does not count."""

    def __init__(self, films, model, batch, steps, threads):
        self.run_folder = WORK / f"step-{batch}"
        self.seen = 0
        shutil.rmtree(self.run_folder, ignore_errors=True)
        settings = pretrain_settings(films, model, batch, **{"train.stop_after_steps": steps + 1, "train.threads": threads})
        call(BIN / "mflag-pretrain", "train", "--quiet", "--run", self.run_folder, *settings)
        self.batch = batch
        self.read()

    def read(self):
        lines = [json.loads(line) for line in open(self.run_folder / "metrics.jsonl")]
        steps = [line for line in lines if line["kind"] == "train"]
        new, self.seen = steps[self.seen :], len(steps)
        return new[1:]

    def run(self, _steps):
        peak = peak_of([BIN / "mflag-pretrain", "train", "--quiet", "--resume", "--run", self.run_folder])
        new = self.read()
        return {
            "seconds": [self.batch / line["samples_per_second"] for line in new],
            "outside": [line["outside_share"] for line in new],
            "peak_kib": peak,
        }


GOALS = {"published, fp32": "≥ 10", "published, bf16": "≥ 4", "kernels, 3 channels": "≥ 0.97", "kernels, 1 channel": "≥ 0.97"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of mflag and of the kernels in a turn; the published code does 1")
    parser.add_argument("--against", nargs="+", choices=["published", "kernels"], default=["published", "kernels"])
    parser.add_argument("--threads", type=int, default=0, help="that compute, on every side; 0: one a core")
    args = parser.parse_args()
    if args.threads:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
    print(machine())
    for batch in args.batch:
        one_batch_size(batch, args)


def one_batch_size(batch, args):
    films, model = store(), language_model()
    ours = Ours(films, model, batch, args.steps, args.threads)
    sides = {"mflag": (ours, args.steps)}
    if "published" in args.against:
        for precision in ("fp32", "bf16"):
            worker = Worker(sys.executable, "benches/opponents/official.py", films, model, batch, precision)
            sides[f"published, {precision}"] = (worker, 1)
    if "kernels" in args.against:
        for channels, name in ((3, "3 channels"), (1, "1 channel")):
            worker = Worker(sys.executable, "benches/opponents/kernels.py", batch, channels)
            sides[f"kernels, {name}"] = (worker, args.steps)
    for worker, _ in list(sides.values())[1:]:
        worker.run(1)

    turns = [{name: side.run(steps) for name, (side, steps) in sides.items()} for _ in range(args.rounds)]
    seconds = {name: [median(turn[name]["seconds"]) for turn in turns] for name in sides}
    rows = []
    for name in sides:
        ratios = [theirs / own for theirs, own in zip(seconds[name], seconds["mflag"])]
        cells = ("", "") if name == "mflag" else (spread(ratios), GOALS[name])
        peak = max(turn[name]["peak_kib"] for turn in turns)
        rows.append([name, spread(seconds[name], 3), *cells, gib(peak)])
    print(f"\nBatch {batch}, {args.rounds} rounds")
    table(["side", "seconds a step", "times mflag's", "goal", "peak GiB"], rows)
    outside = [100 * share for turn in turns for share in turn["mflag"]["outside"]]
    print(f"outside forward, backward and optimiser: {spread(outside)} % of a step (goal ≤ 2 %)")
    for worker, _ in list(sides.values())[1:]:
        worker.close()


if __name__ == "__main__":
    main()
