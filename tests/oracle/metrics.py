"""Goldens of metrics: scikit-learn (labels, masks), pycocotools (boxes), NumPy (bootstrap)."""

import contextlib
import io
import json
import math
import warnings
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score, average_precision_score, confusion_matrix, f1_score, jaccard_score, precision_recall_curve, roc_auc_score, roc_curve,
)

warnings.filterwarnings("ignore")
OUT = Path(__file__).parents[1] / "golden" / "metrics"
OUT.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(20230717)


def write(name, golden):
    (OUT / f"{name}.json").write_text(json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n")


def defined(value):
    return None if value is None or math.isnan(value) else float(value)


def float32(values, digits):
    """Rounds values to `digits` decimals, then to float32."""
    return np.round(values, digits).astype(np.float32).astype(np.float64)


# Classification. A truth of None means that the label of the sample is unknown.
def known(scores, truth, counts):
    keep = [i for i, t in enumerate(truth) for _ in range(counts[i]) if t is not None]
    return np.array([scores[i] for i in keep]), np.array([truth[i] for i in keep], dtype=bool)


def expected_calibration_error(truth, probability, bins):
    if not len(truth):
        return None
    share, mean = calibration_curve(truth, probability, n_bins=bins, strategy="uniform")
    edges = np.linspace(0, 1, bins + 1)
    samples = np.bincount(np.searchsorted(edges[1:-1], probability), minlength=bins)
    return defined(np.sum(samples[samples > 0] * np.abs(share - mean)) / len(truth))


def metrics(s, t, threshold, bins):
    both = len(set(t)) == 2
    golden = {
        "auroc": roc_auc_score(t, s) if both else None,
        "average_precision": average_precision_score(t, s) if t.any() else None,
        "best_f1": None,
    }
    if t.any():
        thresholds = precision_recall_curve(t, s)[2]
        f1 = [f1_score(t, s >= x) for x in thresholds]
        golden["best_f1"] = [float(thresholds[np.argmax(f1)]), max(f1)]
    called = s >= threshold
    (tn, fp), (fn, tp) = confusion_matrix(t, called, labels=[False, True]).tolist() if len(t) else [[0, 0], [0, 0]]
    golden |= {
        "confusion": [tp, fp, fn, tn],
        "f1": defined(f1_score(t, called, zero_division=math.nan)) if len(t) else None,
        "accuracy": accuracy_score(t, called) if len(t) else None,
        "calibration_error": expected_calibration_error(t, s, bins),
    }
    return golden


PLACES = [0.0, 0.05, 0.2, 0.5, 0.9, 1.0]


def at_places(s, t):
    """Sensitivity at false positive rates, and precision at sensitivities, in steps between
    scikit-learn's points (without interpolation)."""
    rate, sensitivity, _ = roc_curve(t, s, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(t, s)
    # By falling thresholds, without the last point, which scikit-learn adds.
    precision, recall = precision[-2::-1], recall[-2::-1]
    return {
        "sensitivity": [float(sensitivity[rate <= x].max()) for x in PLACES],
        "precision": [float(precision[np.argmax(recall >= x)]) for x in PLACES],
    }


def binary(name, scores, truth, threshold=0.5, bins=15, curves=False):
    scores = np.array(scores, np.float32).astype(np.float64)
    counts = rng.integers(0, 4, len(scores)).tolist()
    s, t = known(scores, truth, [1] * len(scores))
    case = {"name": name, "scores": scores.tolist(), "truth": truth, "threshold": threshold, "bins": bins, "counts": counts}
    case["once"] = metrics(s, t, threshold, bins)
    case["counted"] = metrics(*known(scores, truth, counts), threshold, bins)
    if curves:
        x, y, at = roc_curve(t, s, drop_intermediate=False)
        case["roc"] = [x[1:].tolist(), y[1:].tolist(), at[1:].tolist()]
        precision, recall, at = precision_recall_curve(t, s)
        case["precision_recall"] = [recall[:-1].tolist(), precision[:-1].tolist(), at.tolist()]
        case["places"] = PLACES
        case["at_places"] = [at_places(s, t), at_places(*known(scores, truth, counts))]
    return case


def scored(n, share, digits):
    truth = rng.random(n) < share
    scores = float32(np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1), digits)
    return scores, [bool(t) for t in truth]


cases = [
    binary("few ties", *scored(150, 0.3, 4), curves=True),
    binary("many ties", *scored(150, 0.3, 1), threshold=float(np.float32(0.5)), curves=True),
    binary("rare", *scored(200, 0.03, 2), threshold=0.75, bins=10),
]
scores, truth = scored(120, 0.4, 2)
cases += [
    binary("missing labels", scores, [None if rng.random() < 0.4 else t for t in truth], bins=10),
    binary("all equal", float32(np.full(20, 0.3), 1), [i % 3 == 0 for i in range(20)], threshold=0.2),
    binary("edges of bins", float32(np.arange(0, 16) / 15, 9), [i % 2 == 0 for i in range(16)]),
    binary("edges of eight bins", [0.0, 0.125, 0.25, 0.5, 0.5, 0.75, 0.875, 1.0], [i % 3 == 0 for i in range(8)], bins=8),
    binary("perfect", [0.1, 0.2, 0.8, 0.9], [False, False, True, True]),
    binary("wrong way", [0.9, 0.8, 0.2, 0.1], [False, False, True, True]),
    binary("all present", [0.2, 0.5, 0.75], [True] * 3),
    binary("all absent", [0.2, 0.5, 0.75], [False] * 3),
    binary("all absent, none called", [0.2, 0.25, 0.375], [False] * 3),
    binary("nothing known", [0.2, 0.5], [None, None]),
    binary("empty", [], []),
]

classes = 4
truth = rng.integers(0, classes, 80)
logits = rng.normal(0, 1, (80, classes)) + 1.2 * np.eye(classes)[truth]
probabilities = float32(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 3)
probabilities[5] = 0.25  # all equal: the first class wins
missing = [None if rng.random() < 0.2 else int(t) for t in truth]
counts = rng.integers(0, 4, 80).tolist()
multiclass = {"scores": probabilities.tolist(), "truth": missing, "counts": counts, "bins": 10}
for name, times in [("once", [1] * 80), ("counted", counts)]:
    keep = [i for i, t in enumerate(missing) for _ in range(times[i]) if t is not None]
    chosen, t = probabilities[keep].argmax(1), [missing[i] for i in keep]
    multiclass[name] = {
        "accuracy": accuracy_score(t, chosen),
        "calibration_error": expected_calibration_error(chosen == t, probabilities[keep].max(1), 10),
    }
write("classification", {"binary": cases, "classes": multiclass})


# Segmentation. Masks of 8 × 8; some true masks are empty, some predicted ones, some both.
SIDE = 8
images = []
for i in range(24):
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    cx, cy, radius = rng.uniform(1, 7, 3)
    truth = (x - cx) ** 2 + (y - cy) ** 2 < (radius / 2) ** 2
    away = (x - cx - rng.normal()) ** 2 + (y - cy - rng.normal()) ** 2 - (radius / 2) ** 2
    probability = 1 / (1 + np.exp(away / 2))
    truth &= i % 4 != 0
    probability *= 0.4 if i % 8 == 0 or i % 6 == 1 else 1.0
    images.append((float32(probability, 2).flatten(), truth.flatten()))


def mask_scores(score):
    scored, left_out = [], []
    for probability, truth in images:
        predicted = probability > 0.5
        own = float(score(truth, predicted, zero_division=0))
        left_out.append(own if truth.any() else None)
        scored.append(own if truth.any() else float(not predicted.any()))
    return {"scored": scored, "left_out": left_out}


everything = [np.concatenate(part) for part in zip(*images)]
write("segmentation", {
    "images": [{"probabilities": p.tolist(), "truth": t.astype(int).tolist()} for p, t in images],
    "dice": mask_scores(f1_score),
    "iou": mask_scores(jaccard_score),
    "pooled_dice": f1_score(everything[1], everything[0] > 0.5),
    "pooled_iou": jaccard_score(everything[1], everything[0] > 0.5),
})


# Detection. An image is (boxes, predictions); a box is x, y, width, height, and a prediction also
# has a score.
def coco(images, annotations):
    it = COCO()
    it.dataset = {"images": [{"id": i + 1} for i in range(images)], "categories": [{"id": 1}], "annotations": annotations}
    it.createIndex()
    return it


def annotations(per_image):
    flat = [(i + 1, box) for i, boxes in enumerate(per_image) for box in boxes]
    return [
        {"id": n + 1, "image_id": i, "category_id": 1, "bbox": box[:4], "area": box[2] * box[3], "iscrowd": 0, "score": box[4] if len(box) > 4 else 0}
        for n, (i, box) in enumerate(flat)
    ]


def evaluated(images, thresholds, most, rates):
    """Average precision at each IoU threshold, and sensitivity at each false positive rate."""
    if not images:
        return {"average_precision": [None] * len(thresholds), "sensitivity": [[None] * len(thresholds) for _ in rates]}
    with contextlib.redirect_stdout(io.StringIO()):
        e = COCOeval(coco(len(images), annotations([b for b, _ in images])), coco(len(images), annotations([p for _, p in images])), "bbox")
        e.params.iouThrs, e.params.maxDets = np.array(thresholds), [most]
        e.params.areaRng, e.params.areaRngLbl = [[0, 1e10]], ["all"]
        e.evaluate()
        e.accumulate()
    precision = e.eval["precision"][:, :, 0, 0, 0]
    boxes = sum(len(b) for b, _ in images)
    per_image = [i for i in e.evalImgs if i is not None]
    scores = np.concatenate([i["dtScores"] for i in per_image] + [[]])
    found = [np.concatenate([i["dtMatches"][t] > 0 for i in per_image] + [[]]) > 0 for t in range(len(thresholds))]

    def sensitivity(found, rate):
        best = 0
        for at in scores:
            if np.sum(~found[scores >= at]) <= rate * len(images):
                best = max(best, int(np.sum(found[scores >= at])))
        return best / boxes if boxes else None

    return {
        "average_precision": [None if p[0] < 0 else float(p.mean()) for p in precision],
        "sensitivity": [[sensitivity(f, rate) for f in found] for rate in rates],
    }


MGCA = [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]
RATES = [0.0, 0.25, 1.0]


def detection(name, images, thresholds=MGCA, most=100):
    counts = rng.integers(0, 4, len(images)).tolist()
    drawn = [image for image, count in zip(images, counts) for _ in range(count)]
    case = {
        "name": name, "thresholds": thresholds, "most": most, "rates": RATES, "counts": counts,
        "images": [{"truth": b, "predicted": p} for b, p in images],
    }
    for protocol, keep in [("strict", lambda b, p: True), ("mgca", lambda b, p: b and p)]:
        for which, chosen in [("once", images), ("counted", drawn)]:
            case[f"{protocol}_{which}"] = evaluated([(b, p) for b, p in chosen if keep(b, p)], thresholds, most, RATES)
    return case


def box(area=200):
    w, h = rng.integers(10, 60, 2)
    return [float(v) for v in (rng.integers(0, area - w), rng.integers(0, area - h), w, h)]


def near(b, spread):
    moved = np.array(b) + rng.normal(0, spread, 4) * np.array([b[2], b[3], b[2], b[3]])
    return np.round([moved[0], moved[1], max(moved[2], 1), max(moved[3], 1)], 2).tolist()


def score(digits):
    return float(np.float32(np.round(rng.uniform(0.05, 1), digits)))


def films(n, digits, spread=0.1, most_boxes=3):
    images = []
    for _ in range(n):
        boxes = [box() for _ in range(rng.integers(0, most_boxes + 1))]
        predicted = [near(b, spread) + [score(digits)] for b in boxes for _ in range(rng.integers(0, 3))]
        predicted += [box() + [score(digits)] for _ in range(rng.integers(0, 2))]
        images.append((boxes, predicted))
    return images


def crowd():
    """Overlapping boxes: the result depends on which prediction matches which box."""
    images = []
    for _ in range(4):
        first = box(100)
        boxes = [near(first, 0.12) for _ in range(6)]
        images.append((boxes, [near(b, 0.08) + [score(1)] for b in boxes for _ in range(2)]))
    return images


one = [10.0, 10.0, 20.0, 20.0]
# 100 boxes of which 70 are found, with false positives between. Recalls are exactly on the 101
# points of COCO's curve, so rounding decides.
hundred = [([one], [one + [float(np.float32(1 - i / 128))]] if i % 10 < 7 else [[100.0, 100.0, 5.0, 5.0, float(np.float32(1 - i / 128))]]) for i in range(100)]
write("detection", [
    detection("films", films(20, 4)),
    detection("equal scores", films(20, 1)),
    detection("few predictions counted", films(12, 4, most_boxes=5), most=2),
    detection("crowd", crowd()),
    detection("COCO's thresholds", films(8, 2, 0.04), np.linspace(0.5, 0.95, 10).tolist()),
    detection("hundred", hundred, [0.5]),
    detection("at the threshold", [([[0.0, 0.0, 10.0, 10.0]], [[0.0, 0.0, 10.0, 5.0, 0.5]])], [0.5, 0.5 + 1e-9]),
    detection("perfect", [([one], [one + [0.5]])], [0.5, 1.0]),
    detection("two equal overlaps", [([[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 10.0, 10.0]], [[2.5, 0.0, 10.0, 10.0, 0.75], [-0.5, 0.0, 10.0, 10.0, 0.5]])], [0.5]),
    detection("no area", [([one, [5.0, 5.0, 0.0, 4.0]], [[5.0, 5.0, 0.0, 4.0, 0.5]])], [0.5]),
    detection("no predictions", [([one], []), ([], [])]),
    detection("no boxes", [([], [one + [0.5]]), ([], [])]),
    detection("nothing in the images", [([], []), ([], [])]),
    detection("no images", []),
])


# Bootstrap. Two models on 120 patients with one to three films each.
patients = np.repeat(np.arange(120), rng.integers(1, 4, 120))
truth = rng.random(len(patients)) < 0.35
shared = rng.normal(0, 1, 120)[patients] + rng.normal(0, 0.5, len(patients))
first = float32(1.5 * truth + shared + rng.normal(0, 0.6, len(patients)), 3)
second = float32(1.3 * truth + shared + rng.normal(0, 0.6, len(patients)), 3)
RESAMPLES = 10000
aurocs, sensitivities = [], []
for _ in range(RESAMPLES):
    weight = np.bincount(rng.integers(0, 120, 120), minlength=120)[patients]
    aurocs.append([roc_auc_score(truth, model, sample_weight=weight) for model in (first, second)])
    rate, sensitivity, _ = roc_curve(truth, first, sample_weight=weight, drop_intermediate=False)
    sensitivities.append([sensitivity[rate <= x].max() for x in (0.1, 0.3, 0.6)])
aurocs = np.array(aurocs)
difference = aurocs[:, 0] - aurocs[:, 1]
write("bootstrap", {
    "patients": patients.tolist(), "truth": truth.tolist(), "first": first.tolist(), "second": second.tolist(),
    "first_interval": np.percentile(aurocs[:, 0], [2.5, 97.5]).tolist(),
    "band": np.percentile(sensitivities, [2.5, 97.5], axis=0).T.tolist(),
    "difference_interval": np.percentile(difference, [2.5, 97.5]).tolist(),
    "p": float(2 * min((difference <= 0).mean(), (difference >= 0).mean())),
})
