"""Measures the peak memory of pre-training on stores of 1,000, 10,000 and 100,000 films, each with
its own report. The films are phantoms of one small store, repeated. The language model is one layer
of BERT-base, so that 100,000 reports take minutes and not a day."""

import argparse
import json
import shutil

import numpy as np

from common import BIN, WORK, call, gib, language_model, machine, peak_of, pretrain_settings, store, table

SHARD = 4096


def repeated(films):
    """A store of `films` films: a small store, repeated; each film has its own name and report."""
    folder = WORK / f"store-repeated-{films}"
    if (folder / "store.json").exists():
        return folder
    small = store()
    meta = json.loads((small / "store.json").read_text())
    pixels = np.concatenate([np.load(path) for path in sorted(small.glob("shards/*.npy"))])
    records = [json.loads(line) for line in open(small / "films.jsonl")]
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    shards = []
    for begin in range(0, films, SHARD):
        rows = np.arange(begin, min(begin + SHARD, films)) % len(records)
        np.save(folder / "shards" / f"{len(shards):05}.npy", pixels[rows])
        # Training does not check the digest of a shard, so any digest will do.
        shards.append({"films": len(rows), "blake3": "0" * 64})
    with open(folder / "films.jsonl", "w") as lines:
        for i in range(films):
            record = dict(records[i % len(records)])
            for key in ("film", "study", "patient"):
                record[key] = f"{record[key]}-{i}"
            record["text"] = f"{record['text']} {i}"
            print(json.dumps(record), file=lines)
    meta |= {"films": films, "shards": shards}
    (folder / "store.json").write_text(json.dumps(meta))
    return folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4)
    args = parser.parse_args()
    print(machine())
    model = language_model("bert-thin", num_hidden_layers=1, intermediate_size=64)
    rows = []
    for films in args.films:
        settings = pretrain_settings(repeated(films), model, args.batch, **{"train.stop_after_steps": args.steps, "text.max_tokens": 16})
        call(BIN / "mflag-pretrain", "encode-text", "--quiet", *settings)
        run = WORK / f"memory-{films}"
        shutil.rmtree(run, ignore_errors=True)
        peak = peak_of([BIN / "mflag-pretrain", "train", "--quiet", "--run", run, *settings])
        rows.append([f"{films:,}", gib(peak)])
    table(["films in the store", "peak GiB"], rows)


if __name__ == "__main__":
    main()
