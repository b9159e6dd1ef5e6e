"""What the benchmarks share. It makes their data, runs mflag and its opponents (the programs that it
is compared with) in turns, and prints tables."""

import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
WORK = ROOT / "runs" / "bench"


def call(*command):
    """Runs a program and returns its output; if the program fails, ends the benchmark."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"bench: {command[0]} failed:\n{done.stdout}")
    return done.stdout


def store(films=720):
    """A prepared store of phantoms, 256 px, a ninth of them for validation; made on first use."""
    folder = WORK / f"store-{films}"
    if not (folder / "store.json").exists():
        phantoms = WORK / f"phantoms-{films}"
        call(BIN / "mflag-data", "phantom", "--films", films, "--side", 320, "--validate", 1 / 9, "--test", 0.0, "--out", phantoms)
        call(BIN / "mflag-data", "prepare", "mimic", "--side", 256, "--root", phantoms, "--out", folder)
    return folder


def layout_store(layout, films, side=224):
    """A prepared store of phantoms in a data set's layout; made on first use."""
    folder = WORK / f"{layout}-store-{films}"
    if not (folder / "store.json").exists():
        phantoms = WORK / f"{layout}-{films}"
        call(BIN / "mflag-data", "phantom", "--as", layout, "--films", films, "--out", phantoms)
        call(BIN / "mflag-data", "prepare", layout, "--side", side, "--root", phantoms, "--out", folder)
    return folder


def stored_films(store, split="train"):
    """The memory-mapped films of a split of a store, each with its record."""
    import numpy as np

    shards = [np.load(path, mmap_mode="r") for path in sorted(store.glob("shards/*.npy"))]
    records = map(json.loads, open(store / "films.jsonl"))
    return [(np.asarray(film[0]), record) for film, record in zip((f for s in shards for f in s), records) if record["split"] == split]


def language_model(name="bert-base", **sizes):
    """A BERT with random weights in Hugging Face's layout; made on first use.

    `sizes` are keys of BertConfig; without them it is a BERT-base.
    """
    folder = WORK / name
    if not (folder / "model.safetensors").exists():
        import torch
        from transformers import BertConfig, BertModel

        torch.manual_seed(0)
        BertModel(BertConfig(**sizes), add_pooling_layer=False).save_pretrained(folder)
        shutil.copy(ROOT / ".models/all-minilm-l6-v2/vocab.txt", folder)
    return folder


def settings(config, folder, batch, **more):
    """Flags of a training program: `config` on the store `folder`, with metrics logged at each
    step."""
    sets = {
        "data.store": folder,
        "encoder.weights": "null",
        "train.device": "cpu",
        "train.batch_size": batch,
        "train.checkpoint_every": 0,
        "train.log_every": 1,
    }
    flags = ["--config", f"configs/{config}.yaml"]
    for key, value in (sets | more).items():
        flags += ["--set", f"{key}={value}"]
    return flags


def pretrain_settings(folder, model, batch, **more):
    """Flags of `mflag-pretrain`: the paper's configuration on the store `folder`."""
    sets = {"data.max_validation": 2, "text.model": model, "text.cache": WORK / "text-cache", "train.accumulate": 1}
    return settings("pretrain/paper", folder, batch, **sets | more)


def median(values):
    return statistics.median(values)


def spread(values, digits=2):
    """Formats the median and the range."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def gib(kibibytes):
    return f"{kibibytes / 2**20:.2f}"


def machine():
    import torch
    import transformers

    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags"))
    units = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags.split()]
    rust = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True).stdout.split()[1]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    return (
        f"{cpu}, {os.cpu_count()} cores, {', '.join(units)}; mflag {commit}, Rust {rust}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    )


def table(heads, rows):
    print()
    for row in [heads, ["---"] * len(heads), *rows]:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


class Run:
    """A training program of mflag. Each turn resumes its run for `steps` steps, after one warm-up
    step that does not count."""

    def __init__(self, program, folder, batch, steps, flags):
        self.program, self.folder, self.batch, self.seen = BIN / program, folder, batch, 0
        shutil.rmtree(folder, ignore_errors=True)
        call(self.program, "train", "--quiet", "--run", folder, *flags, "--set", f"train.stop_after_steps={steps + 1}")
        self.read()

    def read(self):
        lines = [json.loads(line) for line in open(self.folder / "metrics.jsonl")]
        steps = [line for line in lines if line["kind"] == "train"]
        new, self.seen = steps[self.seen :], len(steps)
        return new[1:]

    def run(self, _steps):
        peak = peak_of([self.program, "train", "--quiet", "--resume", "--run", self.folder])
        new = self.read()
        return {
            "seconds": [self.batch / line["samples_per_second"] for line in new],
            "outside": [line["outside_share"] for line in new],
            "peak_kib": peak,
        }


def compare(ours, steps, opponents, rounds):
    """Lets mflag and its opponents take turns and prints a table of their times per step.

    `opponents` maps a name to a Worker, the number of its steps per turn, and the goal.
    """
    sides = {"mflag": (ours, steps, "")} | opponents
    for worker, _, _ in opponents.values():
        worker.run(1)
    turns = [{name: side.run(steps) for name, (side, steps, _) in sides.items()} for _ in range(rounds)]
    seconds = {name: [median(turn[name]["seconds"]) for turn in turns] for name in sides}
    rows = []
    for name, (_, _, goal) in sides.items():
        ratios = [theirs / own for theirs, own in zip(seconds[name], seconds["mflag"])]
        peak = max(turn[name]["peak_kib"] for turn in turns)
        rows.append([name, spread(seconds[name], 3), "" if name == "mflag" else spread(ratios), goal, gib(peak)])
    table(["program", "seconds per step", "relative to mflag", "goal", "peak GiB"], rows)
    outside = [100 * share for turn in turns for share in turn["mflag"]["outside"]]
    print(f"time outside forward, backward and optimiser: {spread(outside)} % of a step (goal ≤ 2 %)")
    for worker, _, _ in opponents.values():
        worker.close()


def head_steps(program, name, config, layout, batch, **more):
    """Prints a table of a head's time per step: `program` with `config` on phantoms in a data set's
    layout, 224 px, compared with benches/opponents/NAME.py."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--films", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    print(machine())
    films = layout_store(layout, args.films)
    ours = Run(program, WORK / name, args.batch, args.steps, settings(config, films, args.batch, **more))
    opponents = {}
    for way in ("fp32", "bf16", "kernels"):
        worker = Worker(sys.executable, f"benches/opponents/{name}.py", films, args.batch, way)
        opponents["kernels" if way == "kernels" else f"Python, {way}"] = (worker, args.steps, "")
    print(f"\nBatch {args.batch}, {args.rounds} rounds")
    compare(ours, args.steps, opponents, args.rounds)


class Worker:
    """A program that reads a number of steps from standard input, runs them, and answers with one
    line of JSON (see `serve`). Between turns it waits and uses no CPU."""

    def __init__(self, *command):
        self.child = subprocess.Popen([str(part) for part in command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, steps):
        print(steps, file=self.child.stdin, flush=True)
        line = self.child.stdout.readline()
        if not line:
            sys.exit(f"bench: {self.child.args} ended without an answer")
        return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def serve(step, **more):
    """Answers the requests of a Worker, in the process that the Worker started: reads a number of
    steps, calls `step` as often, and answers with the seconds of each step, the peak memory so far
    in KiB, and `more`."""
    import time

    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begin)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": seconds, "peak_kib": peak, **more}), flush=True)


def peak_of(command):
    """Runs a program and returns its peak memory in KiB.

    Linux counts the memory of the process that starts a program in the program's peak. This
    process has half a GiB because of torch, so a small process in between starts the program.
    """
    between = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    between += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    return int(call(sys.executable, "-c", between, *command).splitlines()[-1])
