"""Goldens of latent-space and retrieval metrics, from their definitions, in NumPy float64."""
from pathlib import Path
import json
import numpy as np

rng = np.random.default_rng(20230717)
n, d = 40, 6
unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
films = unit(rng.normal(size=(n, d)))
reports = unit(films + 0.8 * rng.normal(size=(n, d)))
groups = np.arange(n) % 33  # a few reports have the same text
films, reports = films.astype(np.float32), reports.astype(np.float32)

a, b = films.astype(float), reports.astype(float)
sq = ((a[:, None] - a[None]) ** 2).sum(-1)
upper = np.triu_indices(n, 1)
s = np.linalg.svd(a - a.mean(0), compute_uv=False)
p = s / s.sum()
order = np.argsort(-(a @ b.T), axis=1, kind="stable")
hit = groups[order] == groups[:, None]
golden = {
    "films": films.ravel().tolist(), "reports": reports.ravel().tolist(), "n": n, "d": d,
    "groups": groups.tolist(), "singular_values": s.tolist(),
    "effective_rank": float(np.exp(-(p * np.log(p)).sum())),
    "alignment": float(((a - b) ** 2).sum(1).mean()),
    "uniformity": float(np.log(np.exp(-2 * sq[upper]).mean())),
    "mean_cosine": float((a @ a.T)[upper].mean()),
    "recall": {str(k): float(hit[:, :k].any(1).mean()) for k in (1, 5, 10)},
}
out = Path(__file__).parent.parent / "golden" / "latent"
out.mkdir(parents=True, exist_ok=True)
(out / "latent.json").write_text(json.dumps(golden))
