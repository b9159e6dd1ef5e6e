"""Measures a training step in 1, 2 and 4 processes that share its batch, one thread each: the work
is that of one process, so the time beyond it is what the processes cost."""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys

from common import BIN, ROOT, WORK, language_model, machine, median, pretrain_settings, spread, store, table

# Name of the way, and its settings.
WAYS = [("global", {"loss.batch": "global"}), ("process", {"loss.batch": "process"})]
# Parameters of ResNet-50 and the two projectors, which are averaged in f32 after each step.
GRADIENTS = 4 * 33_483_840


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def seconds(ranks, batch, steps, flags):
    """The seconds of each step but the first two."""
    folder = WORK / f"ranks-{ranks}"
    shutil.rmtree(folder, ignore_errors=True)
    command = [BIN / "mflag-pretrain", "train", "--quiet", "--run", folder, *flags]
    command = [str(part) for part in command]
    port = str(free_port())
    children = []
    for rank in range(ranks):
        environment = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        words = {name: str(value) for name, value in environment.items()} if ranks > 1 else {}
        children.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | words, stdout=subprocess.DEVNULL))
    if any([child.wait() for child in children]):
        sys.exit(f"bench: {command} failed in {ranks} processes")
    lines = [json.loads(line) for line in open(folder / "metrics.jsonl")]
    return [batch / line["samples_per_second"] for line in lines if line["kind"] == "train"][2:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(machine())
    folder, model = store(), language_model("ranks-bert", hidden_size=64, num_hidden_layers=1, num_attention_heads=1, intermediate_size=64)
    rows = []
    for way, settings in WAYS:
        more = settings | {"train.threads": 1, "data.num_workers": 1, "train.stop_after_steps": args.steps + 2}
        flags = pretrain_settings(folder, model, args.batch, **more)
        turns = [{ranks: median(seconds(ranks, args.batch, args.steps, flags)) for ranks in (1, 2, 4)} for _ in range(args.rounds)]
        for ranks in (1, 2, 4):
            ratio = [turn[1] / turn[ranks] for turn in turns]
            sent = 2 * (ranks - 1) / ranks * GRADIENTS / 1e6
            rows.append([way, ranks, spread([turn[ranks] for turn in turns]), spread(ratio), f"{sent:.0f}"])
    print(f"\nBatch {args.batch} in all, {args.rounds} rounds of {args.steps} steps")
    table(["loss.batch", "processes", "seconds a step", "speed relative to one process", "MB of gradients that each process sends a step"], rows)


if __name__ == "__main__":
    main()
