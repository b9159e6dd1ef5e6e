"""Goldens of detection in float64: MGCA's YOLOv3 layers on ResNet-18, its losses, the assignment
of boxes to cells, boxes from outputs, and torchvision's non-maximum suppression. Assignment and
suppression follow one of two rules: `strict`, with true sides, or `mgca`, that of MGCA's code.
`benches/opponents/detection.py` uses network and losses in float32."""

import json
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from formula import values, weights

OUT = Path(__file__).parents[1] / "golden" / "detection"
SIDE = 64
STRIDES = (32, 16, 8)
COCO = [
    [(116, 90), (156, 198), (373, 326)],
    [(30, 61), (62, 45), (59, 119)],
    [(10, 13), (16, 30), (33, 23)],
]


def anchors_of(side):
    """COCO's anchors, which are for 416 pixels, scaled to a view."""
    return torch.tensor(COCO, dtype=torch.get_default_dtype()) * side / 416


def write(name, golden):
    (OUT / f"{name}.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def tensor(name, shape):
    return torch.from_numpy(values(name, shape))


# The network.


class Block(nn.Sequential):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.add_module("conv", nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False))
        self.add_module("bn", nn.BatchNorm2d(outputs))
        self.add_module("relu", nn.LeakyReLU(0.1))


class Embedding(nn.Module):
    def __init__(self, inputs, narrow, outputs):
        super().__init__()
        for i in range(6):
            wide = i % 2 == 1
            before = inputs if i == 0 else narrow if wide else 2 * narrow
            self.add_module(str(i), Block(before, 2 * narrow if wide else narrow, 3 if wide else 1))
        self.conv_out = nn.Conv2d(2 * narrow, outputs, 1)

    def forward(self, x):
        for i in range(5):
            x = self.get_submodule(str(i))(x)
        return self.conv_out(self.get_submodule("5")(x)), x


class Decoder(nn.Module):
    def __init__(self, c3, c4, c5, classes):
        super().__init__()
        outputs = 3 * (5 + classes)
        self.embedding0 = Embedding(c5, 512, outputs)
        self.embedding1_cbl = Block(512, 256, 1)
        self.embedding1 = Embedding(c4 + 256, 256, outputs)
        self.embedding2_cbl = Block(256, 128, 1)
        self.embedding2 = Embedding(c3 + 128, 128, outputs)

    def forward(self, c3, c4, c5):
        def twice(x):
            return F.interpolate(x, scale_factor=2, mode="nearest")

        out0, branch = self.embedding0(c5)
        out1, branch = self.embedding1(torch.cat([twice(self.embedding1_cbl(branch)), c4], 1))
        out2, _ = self.embedding2(torch.cat([twice(self.embedding2_cbl(branch)), c3], 1))
        return out0, out1, out2


def network():
    decoder = Decoder(128, 256, 512, classes=2)
    names = [k for k in decoder.state_dict() if not k.endswith("num_batches_tracked")]
    shapes = {k: decoder.state_dict()[k].shape for k in names}
    decoder.load_state_dict({k: torch.from_numpy(weights(k, shapes[k])) for k in names}, strict=False)
    c3, c4, c5 = tensor("c3", (2, 128, 8, 8)), tensor("c4", (2, 256, 4, 4)), tensor("c5", (2, 512, 2, 2))
    golden = {"names": sorted(names)}
    for mode in ("eval", "train"):
        decoder.train(mode == "train")
        outputs = decoder(c3, c4, c5)
        golden[mode] = [{"shape": list(o.shape), "sum": o.sum().item(), "first": o.flatten()[:6].tolist()} for o in outputs]
    sum((o * tensor(f"cotangent{i}", o.shape)).sum() for i, o in enumerate(outputs)).backward()
    golden["gradients"] = {k: p.grad.norm().item() for k, p in decoder.named_parameters()}
    write("yolo", golden)


# Assignment and losses. A box is (class, centre x, centre y, width, height) in pixels.


def assign(boxes, anchors, stride, grid, classes, rules="strict"):
    # MGCA compares sides in cells, a cell longer.
    compared = (lambda x: x / stride + 1) if rules == "mgca" else lambda x: x
    films = len(boxes)
    plane = (films, 3, grid, grid)
    mask, empty = torch.zeros(plane), torch.ones(plane)
    place, size = torch.zeros(*plane, 2), torch.zeros(*plane, 2)
    kinds = torch.zeros(*plane, classes)
    for film, of_film in enumerate(boxes):
        for kind, cx, cy, w, h in of_film:
            shape = torch.tensor([w, h], dtype=anchors.dtype)
            a, b = compared(shape), compared(anchors)
            both = torch.minimum(a, b).prod(1)
            iou = both / (a.prod() + b.prod(1) - both)
            i, j, best = int(cx / stride), int(cy / stride), int(iou.argmax())
            empty[film, iou > 0.5, j, i] = 0
            if rules == "strict":  # By MGCA's rule, the cell may learn "no box" as well.
                empty[film, best, j, i] = 0
            mask[film, best, j, i] = 1
            place[film, best, j, i] = torch.tensor([cx / stride - i, cy / stride - j])
            size[film, best, j, i] = (shape / anchors[best]).log()
            kinds[film, best, j, i, kind] = 1
    return mask, empty, place, size, kinds


def loss(outputs, boxes, classes, side, rules="strict"):
    parts = {"place": 0.0, "size": 0.0, "objectness": 0.0, "class": 0.0}
    for output, anchors, stride in zip(outputs, anchors_of(side), STRIDES):
        films, _, grid, _ = output.shape
        said = output.view(films, 3, 5 + classes, grid, grid).permute(0, 1, 3, 4, 2)
        mask, empty, place, size, kinds = assign(boxes, anchors, stride, grid, classes, rules)
        x, y, confidence = said[..., 0].sigmoid(), said[..., 1].sigmoid(), said[..., 4].sigmoid()
        parts["place"] += 2.5 * F.binary_cross_entropy(x * mask, place[..., 0] * mask)
        parts["place"] += 2.5 * F.binary_cross_entropy(y * mask, place[..., 1] * mask)
        parts["size"] += 2.5 * F.mse_loss(said[..., 2] * mask, size[..., 0] * mask)
        parts["size"] += 2.5 * F.mse_loss(said[..., 3] * mask, size[..., 1] * mask)
        parts["objectness"] += F.binary_cross_entropy(confidence * mask, mask)
        parts["objectness"] += 0.5 * F.binary_cross_entropy(confidence * empty, torch.zeros_like(empty))
        wide = mask.unsqueeze(-1)
        parts["class"] += F.binary_cross_entropy(said[..., 5:].sigmoid() * wide, kinds * wide)
    return parts


def outputs_of(name, films, classes):
    shapes = [(films, 3 * (5 + classes), SIDE // s, SIDE // s) for s in STRIDES]
    return [(3 * tensor(f"{name}{i}", shape)).requires_grad_() for i, shape in enumerate(shapes)]


def losses():
    cases = {
        # Two boxes of the same cell and shape; a box in a corner; a film without boxes; a box with
        # exactly an anchor's shape.
        "one": (1, [[(0, 20, 30, 12, 10), (0, 21, 29, 11, 11), (0, 63.5, 63.5, 1, 1)], [], [(0, 32, 32, 62 * 64 / 416, 45 * 64 / 416)]]),
        "several": (3, [[(2, 10, 50, 9, 14), (0, 40, 12, 40, 30)], [(1, 31, 33, 20, 26), (2, 31, 33, 20, 26)]]),
        "empty": (1, [[], []]),
    }
    golden = []
    for rules, (name, (classes, boxes)) in product(("strict", "mgca"), cases.items()):
        outputs = outputs_of(name, len(boxes), classes)
        parts = loss(outputs, boxes, classes, SIDE, rules)
        sum(parts.values()).backward()
        golden.append(
            {
                "assignment": rules,
                "case": name,
                "classes": classes,
                "boxes": boxes,
                "parts": [parts[k].item() for k in ("place", "size", "objectness", "class")],
                "gradients": [[o.grad.norm().item(), *o.grad.flatten()[::37][:8].tolist()] for o in outputs],
            }
        )
    write("loss", golden)


# From outputs to boxes.


def suppress(corners, scores, kinds, rules):
    """The boxes that are kept, the most confident first. MGCA's rule: sides are a pixel longer, and
    boxes are duplicates at an IoU of 0.5, too."""
    if rules == "strict":
        return torchvision.ops.batched_nms(corners, scores, kinds, 0.5)
    longer = torch.cat([corners[:, :2], corners[:, 2:] + 1], 1)
    iou = torchvision.ops.box_iou(longer, longer)
    kept = []
    for k in scores.argsort(descending=True, stable=True):
        if all(kinds[k] != kinds[other] or iou[k, other] < 0.5 for other in kept):
            kept.append(k)
    return kept


def decoded():
    golden = []
    cases = ((1, 0.6, "strict"), (3, 0.5, "strict"), (1, 0.6, "mgca"), (3, 0.5, "mgca"))
    for classes, confidence, rules in cases:
        name, films = f"decode{classes}", 2
        boxes = [[] for _ in range(films)]
        for output, anchors, stride in zip(outputs_of(name, films, classes), anchors_of(SIDE), STRIDES):
            grid = output.shape[2]
            said = output.detach().view(films, 3, 5 + classes, grid, grid).permute(0, 1, 3, 4, 2)
            rows, columns = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
            cx = (said[..., 0].sigmoid() + columns) * stride
            cy = (said[..., 1].sigmoid() + rows) * stride
            half = said[..., 2:4].exp() * anchors.view(1, 3, 1, 1, 2) / 2
            corners = torch.stack([cx - half[..., 0], cy - half[..., 1], cx + half[..., 0], cy + half[..., 1]], -1)
            kind = said[..., 5:].sigmoid().max(-1)
            score = said[..., 4].sigmoid() * (kind.values if classes > 1 else 1)
            for film in range(films):
                found = zip(corners[film].reshape(-1, 4), score[film].flatten(), kind.indices[film].flatten())
                boxes[film] += [(c, s, k) for c, s, k in found if s >= confidence]
        films = []
        for of_film in boxes:
            uncut = torch.stack([b[0] for b in of_film])
            corners = uncut.clamp(0, SIDE) if rules == "strict" else uncut
            scores = torch.stack([b[1] for b in of_film])
            kinds = torch.stack([b[2] for b in of_film])
            kept = suppress(corners, scores, kinds, rules)[:100]
            films.append([[int(kinds[k]), scores[k].item(), *corners[k].tolist()] for k in kept])
        golden.append(
            {"assignment": rules, "case": name, "classes": classes, "confidence": confidence, "films": films}
        )
    write("decode", golden)


def suppressed():
    golden = []
    for number, overlap in ((1, 0.5), (40, 0.5), (40, 0.2), (300, 0.7)):
        name = f"nms{number}"
        raw = tensor(name, (number, 5))
        corners = torch.cat([raw[:, :2] * 20 + 30, raw[:, :2] * 20 + 30 + (raw[:, 2:4] + 1.1) * 15], 1)
        kept = torchvision.ops.nms(corners, raw[:, 4], overlap)
        golden.append({"name": name, "number": number, "overlap": overlap, "kept": kept.tolist()})
    write("nms", golden)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_default_dtype(torch.float64)
    network()
    losses()
    decoded()
    suppressed()
