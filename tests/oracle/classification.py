"""Goldens of classification in float64: a linear layer, its losses and their gradients by PyTorch;
the metrics of its scores by scikit-learn."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_recall_curve, roc_auc_score

from formula import values, weights

OUT = Path(__file__).parents[1] / "golden" / "classification"
OUT.mkdir(parents=True, exist_ok=True)
FILMS, WIDTH, LABELS = 80, 512, 3


def tensor(name, shape):
    return torch.from_numpy(values(name, shape))


def layer():
    classifier = torch.nn.Linear(WIDTH, LABELS).double()
    state = {k: torch.from_numpy(weights(f"classifier.{k}", v.shape)) for k, v in classifier.state_dict().items()}
    classifier.load_state_dict(state)
    return classifier


pooled = tensor("pooled", (FILMS, WIDTH))
truth = (tensor("truth", (FILMS, LABELS)) > 0.2).double()
known = {
    "all": torch.ones(FILMS, LABELS, dtype=torch.bool),
    "some": tensor("known", (FILMS, LABELS)) > -0.4,
    "none": torch.zeros(FILMS, LABELS, dtype=torch.bool),
}
classes = ((tensor("classes", (FILMS,)) + 1) / 2 * LABELS).long()


def masked(logits, known):
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return each[known].mean() if known.any() else 0 * logits.sum()


losses = {f"multi_label, {name} known": lambda x, k=k: masked(x, k) for name, k in known.items()}
losses["multi_class"] = lambda x: F.cross_entropy(x, classes)
golden = {"losses": []}
for name, loss in losses.items():
    classifier = layer()
    logits = classifier(pooled)
    value = loss(logits)
    value.backward()
    golden["logits"] = logits.flatten()[:6].tolist()
    golden["losses"].append({
        "name": name,
        "value": value.item(),
        "weight": classifier.weight.grad.flatten()[:6].tolist(),
        "bias": classifier.bias.grad.tolist(),
    })

# The head's metrics: from float32 scores, over known entries only, as macro means over the labels.
scores = (4 * values("scores", (FILMS, LABELS))).astype(np.float32).astype(np.float64)
t, k = truth.numpy().astype(bool), known["some"].numpy()
of = {"auroc": [], "average_precision": [], "f1": [], "accuracy": [], "threshold": []}
for label in range(LABELS):
    s, y = scores[k[:, label], label], t[k[:, label], label]
    thresholds = precision_recall_curve(y, s)[2]
    best = thresholds[np.argmax([f1_score(y, s >= x) for x in thresholds])]
    of["auroc"].append(roc_auc_score(y, s))
    of["average_precision"].append(average_precision_score(y, s))
    of["f1"].append(f1_score(y, s >= best))
    of["accuracy"].append(accuracy_score(y, s >= best))
    # Halfway between the lowest positive film and the next lower one. This separates the films as
    # `best` does.
    lower = thresholds[thresholds < best]
    edge, below = 1 / (1 + np.exp(-best)), 1 / (1 + np.exp(-lower[-1])) if len(lower) else 0.0
    of["threshold"].append(float((edge + below) / 2))
golden["multi_label"] = {name: float(np.mean(v)) for name, v in of.items() if name != "threshold"}
golden["multi_label"] |= {"thresholds": of["threshold"], "aurocs": of["auroc"]}
softmax = torch.from_numpy(scores).softmax(1).numpy()
golden["multi_class"] = {
    "auroc": roc_auc_score(classes, softmax, multi_class="ovr", average="macro"),
    "accuracy": accuracy_score(classes, softmax.argmax(1)),
    "f1": f1_score(classes, softmax.argmax(1), average="macro"),
    "probabilities": softmax.flatten()[:9].tolist(),
}
(OUT / "classification.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
