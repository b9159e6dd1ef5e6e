"""Goldens of MGCA's splits: scikit-learn's train_test_split, called as in MGCA's programs."""

import json
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

OUT = Path(__file__).parents[1] / "golden" / "splits"
OUT.mkdir(parents=True, exist_ok=True)

TRAIN, VALIDATE, TEST = range(3)


def two_calls(rows, validate, test, seed):
    """RSNA and SIIM: first splits off the held-out rows, then divides them into test and
    validation."""
    train, held = train_test_split(np.arange(rows), test_size=validate + test, random_state=seed)
    test, validate = train_test_split(held, test_size=validate / (validate + test), random_state=seed)
    return train, validate, test


def one_call(rows, validate, _, seed):
    """Object-CXR: splits off validation; the release has a test split."""
    train, validate = train_test_split(np.arange(rows), test_size=validate, random_state=seed)
    return train, validate, []


def choice(rows, validate, _, seed):
    """CheXpert: draws single rows with RandomState.choice."""
    validate = np.random.RandomState(seed).choice(rows, size=round(validate * rows), replace=False)
    return np.setdiff1d(np.arange(rows), validate), validate, []


CASES = [
    (two_calls, 26_684, 0.2, 0.2, 0),  # RSNA: 16,010 / 5,337 / 5,337
    (two_calls, 12_047, 0.15, 0.15, 0),  # SIIM, by film: 8,432 / 1,808 / 1,807
    (one_call, 8_000, 0.1, 0.0, 0),  # Object-CXR: 7,200 / 800
    (one_call, 8_000, 0.2, 0.0, 0),  # Object-CXR: 6,400 / 1,600
    (choice, 191_027, 5_000 / 191_027, 0.0, 0),  # CheXpert: 186,027 / 5,000
    (two_calls, 26_684, 0.2, 0.2, 4_000_000_000),
    (two_calls, 3, 0.2, 0.2, 0),
    (two_calls, 41, 0.1, 0.3, 7),
    (one_call, 2, 0.3, 0.0, 1),
]

golden = []
for rule, rows, validate, test, seed in CASES:
    splits = np.zeros(rows, int)
    _, validation, held_out = rule(rows, validate, test, seed)
    splits[validation] = VALIDATE
    splits[np.asarray(held_out, int)] = TEST
    # A checksum of each split: the sum of its rows in ascending order, each times its position from
    # 1.
    parts = [np.flatnonzero(splits == split) for split in (TRAIN, VALIDATE, TEST)]
    golden.append(
        {
            "rows": rows,
            "validate": validate,
            "test": test,
            "seed": seed,
            "counts": [len(part) for part in parts],
            "sums": [int((part * np.arange(1, len(part) + 1)).sum()) for part in parts],
            "begin": "".join("rve"[split] for split in splits[:64]),
        }
    )
    print(rows, golden[-1]["counts"])
(OUT / "drawn.json").write_text("[\n" + ",\n".join(map(json.dumps, golden)) + "\n]\n")
