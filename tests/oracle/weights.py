"""Writes small weight files (torch.save in zip and legacy format, safetensors) and their expected
values into tests/golden/weights.

Run: python tests/oracle/weights.py
"""

import collections
import json
import os
import pathlib
import pickle
import warnings
from unittest import mock

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent.parent / "golden" / "weights"
KINDS = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


def numbers(*shape):
    """The values -1, -0.75, -0.5, ..., which every floating-point kind represents exactly."""
    count = int(torch.tensor(shape).prod()) if shape else 1
    return (torch.arange(count, dtype=torch.float32) / 4 - 1).reshape(shape)


def kinds():
    return {str(kind).removeprefix("torch."): torch.tensor([0, 1, 3, 100]).to(kind) for kind in KINDS}


def shapes():
    base = numbers(4, 6)
    big = numbers(64)
    return {
        "contiguous": base,
        "transposed": base.t(),
        "window": base[1:3, 2:5],
        "every_second": big[3::2],
        "expanded": numbers(3, 1).expand(3, 4),
        "channels_last": numbers(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0),
        "empty_2d": torch.zeros(3, 0, 2),
        "tied_a": big,
        "tied_b": big,
    }


def rounded(net):
    """Rounds parameters to values that JSON holds exactly in few digits."""
    for parameter in net.parameters():
        parameter.data = (parameter.data * 64).round() / 64
    return net


def tiny_net():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        collections.OrderedDict(
            conv1=torch.nn.Conv2d(1, 2, 3, bias=False),
            bn1=torch.nn.BatchNorm2d(2),
            fc=torch.nn.Linear(2, 3),
        )
    )
    return rounded(net)


def checkpoint():
    net = tiny_net()
    optimizer = torch.optim.AdamW(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    wrapped = torch.nn.DataParallel(rounded(net))
    return {
        "epoch": 3,
        "best": torch.tensor(0.5),
        "losses": [0.25, 0.125],
        "args": collections.defaultdict(list, lr=[1e-3]),
        "big": 2**80,
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "size": torch.Size([2, 3]),
        "name": "größe",
        "blob": b"\x00\xff" * 200,
        "tags": {1, 2},
        "optimizer": optimizer.state_dict(),
        "state_dict": wrapped.state_dict(),
    }


def parameters():
    tagged = torch.nn.Parameter(numbers(2))
    tagged.note = "with an attribute of its own"
    return {
        "plain": torch.nn.Parameter(numbers(2, 2)),
        "frozen": torch.nn.Parameter(numbers(3), requires_grad=False),
        "tagged": tagged,
    }


def bert():
    return {
        "bert.embeddings.LayerNorm.gamma": numbers(4),
        "bert.embeddings.LayerNorm.beta": numbers(4) + 1,
        "bert.encoder.layer.0.output.dense.weight": numbers(4, 4),
        "cls.predictions.bias": numbers(5),
    }


def nested():
    return {"encoder": {"conv1": {"weight": numbers(2, 2)}}, "projector": {"bias": numbers(2)}, "step": 7}


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class EvilTensor(Evil):
    """A tensor whose storage is the result of a command."""

    def __reduce__(self):
        arguments = (Evil(self.marker), 0, (2,), (1,), False, collections.OrderedDict())
        return torch._utils._rebuild_tensor_v2, arguments


# If the pickle is executed, it creates this file in the working directory.
MARKER = "pickle-was-executed"

FILES = {
    "kinds": kinds,
    "shapes": shapes,
    "module": lambda: collections.OrderedDict((f"module.{k}", v) for k, v in tiny_net().state_dict().items()),
    "checkpoint": checkpoint,
    "parameters": parameters,
    "bert": bert,
    "nested": nested,
    "evil_value": lambda: {"weight": numbers(2), "evil": Evil(MARKER)},
}

REFUSED = {
    "evil_root": lambda: Evil(MARKER),
    "evil_storage": lambda: {"weight": EvilTensor(MARKER)},
    "whole_model": tiny_net,
    "complex": lambda: {"weight": torch.zeros(2, dtype=torch.complex64)},
    "tensor_alone": lambda: numbers(2),
}


def flatten(value, prefix=""):
    value = value.get("state_dict", value)
    out = {}
    for key, item in value.items():
        if isinstance(item, torch.Tensor):
            out[prefix + key] = {
                "kind": str(item.dtype).removeprefix("torch."),
                "shape": list(item.shape),
                "values": item.detach().double().flatten().tolist(),
            }
        elif isinstance(item, dict) and prefix + key in ("encoder", "encoder.conv1", "projector"):
            out |= flatten(item, f"{prefix}{key}.")
    return out


def save(value, name, **how):
    torch.save(value, OUT / f"{name}_zip.pt", **how)
    # The legacy format contains the source code of modules and the path of that code: replace both.
    with mock.patch("torch.serialization.get_source_lines_and_file", lambda _: ([""], 0, "net.py")):
        torch.save(value, OUT / f"{name}_legacy.pt", _use_new_zipfile_serialization=False, **how)


def main():
    warnings.simplefilter("ignore")
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, make in FILES.items():
        value = make()
        save(value, name)
        expected[name] = flatten(value)
    for name, make in REFUSED.items():
        save(make(), name)
    save(kinds(), "kinds_protocol4", pickle_protocol=4)
    expected["kinds_protocol4"] = expected["kinds"]
    save_file(kinds(), OUT / "kinds.safetensors", metadata={"format": "pt"})
    (OUT / "kinds.safetensors").chmod(0o644)
    with open(OUT / "plain_pickle.pkl", "wb") as file:
        pickle.dump({"weight": [1.0, 2.0]}, file, protocol=4)
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
