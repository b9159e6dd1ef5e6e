"""Goldens of label policies: raw values of the 14 labels, and the targets of the published
protocols."""

import json
from pathlib import Path

import numpy as np

OUT = Path(__file__).parents[1] / "golden" / "labels"
OUT.mkdir(parents=True, exist_ok=True)

LABELS = [
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture", "Lung Lesion",
    "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices",
]  # fmt: skip
# MGCA's five labels (the tasks of the CheXpert competition), and the target of uncertain for each.
MGCA = {"Atelectasis": 1, "Cardiomegaly": 0, "Consolidation": 0, "Edema": 1, "Pleural Effusion": 1}

random = np.random.default_rng(14)
raw = random.choice([1.0, 0.0, -1.0, np.nan], size=(40, len(LABELS)))


def mgca5(row):
    """MGCA's rule: blank becomes 0, then −1 becomes the value of its label."""
    filled = dict(zip(LABELS, np.nan_to_num(row, nan=0.0)))
    return [MGCA[task] if filled[task] == -1 else filled[task] for task in MGCA]


def chexclusion(row):
    """CheXclusion's rule: 1 if the value is above 0, else 0."""
    return np.where(row > 0, 1.0, 0.0).tolist()


def rows(table):
    return [[None if np.isnan(v) else float(v) for v in row] for row in table]


golden = {
    "labels": LABELS,
    "raw": rows(raw),
    "mgca5": rows(np.array([mgca5(row) for row in raw])),
    "zeros": rows(np.array([chexclusion(row) for row in raw])),
}
(OUT / "policies.json").write_text(json.dumps(golden) + "\n")
