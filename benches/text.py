"""Measures `mflag-pretrain encode-text` with MiniLM and an empty cache, including the loading of
the model, in turns with transformers with the same model on batches padded to their longest
report."""

import argparse
import json
import re
import shutil
import sys

from common import BIN, ROOT, WORK, Worker, call, machine, pretrain_settings, spread, store, table

MODEL = ROOT / ".models/all-minilm-l6-v2"


def ours(films):
    shutil.rmtree(WORK / "text-cache-minilm", ignore_errors=True)
    settings = pretrain_settings(films, MODEL, 16, **{"text.cache": WORK / "text-cache-minilm", "data.max_validation": 20000})
    line = call(BIN / "mflag-pretrain", "encode-text", "--quiet", *settings).splitlines()[-1]
    return float(re.findall(r"[\d.]+", line)[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--films", type=int, default=720)
    args = parser.parse_args()
    print(machine())
    films = store(args.films)
    theirs = Worker(sys.executable, "benches/opponents/texts.py", films, MODEL)
    tokens = theirs.run(1)["tokens"]
    turns = [(ours(films), theirs.run(1)["seconds"][0]) for _ in range(args.rounds)]
    ratios = [b / a for a, b in turns]
    print(f"{tokens} tokens, {args.rounds} rounds")
    rows = [
        ["mflag", spread([tokens / a for a, _ in turns], 0), "", ""],
        ["transformers", spread([tokens / b for _, b in turns], 0), spread(ratios), "≥ 1.5"],
    ]
    table(["program", "tokens per second", "time relative to mflag", "goal"], rows)
    theirs.close()


if __name__ == "__main__":
    main()
