#!/usr/bin/env python3
"""Writes a manifest for `mflag-data` from a folder of real films: `real_films.py FOLDER MANIFEST`.

FOLDER contains
- `manifest.csv` with the columns image, subject_id, study_id, finding, lung_mask, lung_boxes_xywh;
- `mimic-layout/`: the films of `manifest.csv` that have a report, with their reports, in the layout
  of MIMIC-CXR-JPG. Below they are called the pairs.

A patient of the pairs keeps the split from the split table in `mimic-layout/`, so no test patient
of the heads is in the pre-training. The split of the other patients stays empty, so that
`mflag-data` chooses it.
"""

import csv
import gzip
import sys
from pathlib import Path


def splits(folder):
    """Reads the split of each patient of the pairs."""
    with gzip.open(folder / "mimic-layout/mimic-cxr-2.0.0-split.csv.gz", "rt", newline="") as file:
        return {row["subject_id"]: row["split"] for row in csv.DictReader(file)}


def boxes(cell):
    return "; ".join(f"Lung {box}" for box in cell.split(";") if box.strip())


def main():
    folder, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    split = splits(folder)
    with open(folder / "manifest.csv", newline="") as source, open(out, "w", newline="") as target:
        table = csv.writer(target)
        table.writerow(["film", "patient", "study", "split", "label:COVID-19", "boxes", "mask"])
        for row in csv.DictReader(source):
            mask = row["lung_mask"]
            table.writerow([
                folder / row["image"],
                row["subject_id"],
                row["study_id"],
                split.get(row["subject_id"], ""),
                int("COVID-19" in row["finding"]),
                boxes(row["lung_boxes_xywh"]),
                folder / mask if mask else "",
            ])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main()
