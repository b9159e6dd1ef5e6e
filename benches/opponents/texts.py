"""Encodes the distinct reports of a store with transformers, in batches of 32 in the store's order,
each padded to its longest report. A step is all reports. Run by a Worker (benches/common.py).

    texts.py STORE MODEL"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, BertTokenizerFast

from common import serve


def main():
    store, folder = Path(sys.argv[1]), sys.argv[2]
    records = [json.loads(line) for line in open(store / "films.jsonl")]
    texts = list(dict.fromkeys(r["text"] for r in records if r["text"]))
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    counts = [len(ids) for ids in tokenizer(texts, truncation=True, max_length=512)["input_ids"]]

    def step():
        with torch.inference_mode():
            for begin in range(0, len(texts), 32):
                batch = tokenizer(texts[begin : begin + 32], padding=True, truncation=True, max_length=512, return_tensors="pt")
                model(**batch).last_hidden_state[:, 0].numpy()

    serve(step, tokens=sum(counts))


if __name__ == "__main__":
    main()
