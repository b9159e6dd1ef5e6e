"""Goldens of augmentation, by torchvision: rotation and perspective (bilinear, black outside the
film; and as M-FLAG's authors: on Pillow's images, crop, nearest rotation, bicubic perspective),
autocontrast, brightness, contrast, blur."""

import json
import math
from pathlib import Path

import numpy as np
import torch
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode

from PIL import Image

OUT = Path(__file__).parents[1] / "golden" / "augment"
OUT.mkdir(parents=True, exist_ok=True)
SIDE = 20
y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
film = np.clip(127 + 100 * np.sin(x / 3) * np.cos(y / 4) + 10 * ((x + 2 * y) % 3), 0, 255).astype(np.uint8)
tensor = torch.from_numpy(film)[None].float()

cases = []
for degrees in (0.0, 17.0, 45.0, 90.0, -30.0):
    out = F.rotate(tensor, degrees, InterpolationMode.BILINEAR)
    cases.append({"degrees": degrees, "view": out.flatten().tolist()})
end = SIDE - 1
for corners in ([[2, 1], [end - 3, 0], [end, end - 4], [1, end - 2]], [[5, 5], [end, 0], [end - 5, end - 5], [0, end]]):
    start = [[0, 0], [end, 0], [end, end], [0, end]]
    out = F.perspective(tensor, start, corners, InterpolationMode.BILINEAR)
    cases.append({"corners": corners, "view": out.flatten().tolist()})
narrow = torch.from_numpy((film // 2 + 40).astype(np.uint8))[None]
cases.append({"narrow": narrow.flatten().tolist(), "view": F.autocontrast(narrow).flatten().tolist()})
grey = torch.from_numpy(film)[None]
brighter, starker = lambda t, f: F.adjust_brightness(t, f), lambda t, f: F.adjust_contrast(t, f)
cases.append({"brightness": 1.35, "view": brighter(grey, 1.35).flatten().tolist()})
cases.append({"contrast": 0.62, "view": starker(grey, 0.62).flatten().tolist()})
cases.append({"brightness": 0.7, "contrast": 1.4, "view": starker(brighter(grey, 0.7), 1.4).flatten().tolist()})
both = brighter(starker(grey, 1.4), 0.7)
cases.append({"brightness": 0.7, "contrast": 1.4, "contrast_first": True, "view": both.flatten().tolist()})
for sigma in (0.3, 1.1, 2.0):
    reach = math.ceil(3 * sigma)
    cases.append({"sigma": sigma, "view": F.gaussian_blur(grey.float(), 2 * reach + 1, sigma).flatten().tolist()})
LEFT, TOP, VIEW = 3, 1, 16
end = VIEW - 1
for degrees, corners in (
    (0.0, None),
    (17.3, None),
    (63.2, None),
    (90.0, None),
    (41.0, [[2, 1], [end - 3, 0], [end, end - 4], [1, end - 2]]),
    (88.8, [[4, 4], [end, 0], [end - 4, end - 4], [0, end]]),
):
    image = Image.fromarray(film).crop((LEFT, TOP, LEFT + VIEW, TOP + VIEW))
    image = F.rotate(image, degrees)
    if corners:
        start = [[0, 0], [end, 0], [end, end], [0, end]]
        image = F.perspective(image, start, corners, InterpolationMode.BICUBIC)
    view = np.asarray(image).flatten().tolist()
    cases.append({"official": [LEFT, TOP, VIEW], "degrees": degrees, "corners": corners, "view": view})
for case in cases:
    case["view"] = [round(v, 3) for v in case["view"]]
(OUT / "augment.json").write_text(json.dumps({"side": SIDE, "film": film.flatten().tolist(), "cases": cases}, separators=(",", ":")) + "\n")
