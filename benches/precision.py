"""Compares the loss curves of a pre-training in fp32 and in bf16 (same seed, same batches). A run in
fp32 with another seed shows how large a difference chance makes. A run that was interrupted is
resumed. Writes docs/precision.svg."""

import argparse
import json
import shutil

from common import BIN, ROOT, WORK, call, machine, pretrain_settings, store, table

RUNS = {"fp32": ("fp32", 0), "bf16": ("bf16", 0), "fp32, another seed": ("fp32", 1)}
COLOURS = ["#1f77b4", "#d62728", "#999999"]
MODEL = ROOT / ".models/all-minilm-l6-v2"


def small_store(side):
    """The phantoms of `store()` at another size. As there, the view is 7/8 of the square (224 of 256 px)."""
    store()
    square = side * 8 // 7
    folder = WORK / f"store-720-{square}"
    if not (folder / "store.json").exists():
        call(BIN / "mflag-data", "prepare", "mimic", "--side", square, "--root", WORK / "phantoms-720", "--out", folder)
    return folder


def curve(precision, seed, args):
    """Returns the loss of each step, and the last recall."""
    run = WORK / f"precision-{args.side}-{precision}-{seed}"
    if (run / "last.safetensors").exists():
        call(BIN / "mflag-pretrain", "train", "--quiet", "--resume", "--run", run)
    else:
        shutil.rmtree(run, ignore_errors=True)
        more = {
            "data.side": args.side,
            "data.resize": "store",
            "data.max_validation": 80,
            "text.pooling": "mean",
            "train.epochs": args.epochs,
            "train.threads": args.threads,
            "train.seed": seed,
            "train.precision": precision,
            "train.optimiser.lr": 1.0e-4,
            "train.schedule.decay": "{ kind: cosine }",
        }
        call(BIN / "mflag-pretrain", "train", "--quiet", "--run", run, *pretrain_settings(small_store(args.side), MODEL, 16, **more))
    lines = [json.loads(line) for line in open(run / "metrics.jsonl")]
    recall = [line for line in lines if line["kind"] == "validation"][-1]["recall_mean"]
    return [line["loss"] for line in lines if line["kind"] == "train"], recall


def smooth(values, width):
    """Returns the mean of every `width` consecutive steps."""
    return [sum(values[i : i + width]) / width for i in range(0, len(values) - width + 1, width)]


def draw(curves, path):
    """Draws the curves on a logarithmic axis."""
    from math import log10

    width, height, left, bottom = 640, 320, 50, 30
    low = min(min(c) for c in curves.values())
    high = max(max(c) for c in curves.values())
    x = lambda i, n: left + (width - left - 10) * i / (n - 1)
    y = lambda v: 10 + (height - bottom - 10) * (log10(high) - log10(v)) / (log10(high) - log10(low))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for v in (low, high):
        parts.append(f'<text x="{left - 5}" y="{y(v) + 4:.0f}" text-anchor="end">{v:.3g}</text>')
    for k, (name, values) in enumerate(curves.items()):
        points = " ".join(f"{x(i, len(values)):.1f},{y(v):.1f}" for i, v in enumerate(values))
        parts.append(f'<polyline fill="none" stroke="{COLOURS[k]}" stroke-width="1" points="{points}"/>')
        parts.append(f'<text x="{width - 150}" y="{25 + 15 * k}" fill="{COLOURS[k]}">{name}</text>')
    steps = len(next(iter(curves.values())))
    parts.append(f'<text x="{left}" y="{height - 8}">loss (log), steps 1 to {steps}</text></svg>')
    path.write_text("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10, help="epochs of 40 steps")
    parser.add_argument("--side", type=int, default=64, help="side of the view in pixels; 224 takes 1.5 hours on two cores")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; the last bits of sums depend on their number")
    args = parser.parse_args()
    print(machine())
    curves, recalls = {}, {}
    for name, (precision, seed) in RUNS.items():
        curves[name], recalls[name] = curve(precision, seed, args)
    draw(curves, ROOT / "docs" / "precision.svg")
    pieces = {name: smooth(values, 40) for name, values in curves.items()}
    rows = [[f"{40 * i + 1}–{40 * i + 40}", *(f"{pieces[name][i]:.3f}" for name in RUNS)] for i in range(len(pieces["fp32"]))]
    table(["steps", *RUNS], rows)
    apart = lambda other: max(abs(a - b) / a for a, b in zip(pieces["fp32"], pieces[other]))
    print(f"largest distance from fp32, means of 40 steps: bf16 {100 * apart('bf16'):.2f} %, another seed {100 * apart('fp32, another seed'):.2f} %")
    print("recall_mean at the end: " + ", ".join(f"{name} {value:.3f}" for name, value in recalls.items()))


if __name__ == "__main__":
    main()
