"""Compares exported encoders, run by torchvision, timm, torch.jit and ONNX Runtime, with mflag's
vectors.

This program exports the encoder of a pre-training run in every format, and prepares the films of a
folder in MIMIC-CXR-JPG's layout. It then compares the vectors that Python computes from the prepared
pixels with those that mflag computes from the films' files. It prints the largest differences, and
fails if one exceeds TOLERANCE.

Run: cargo build -p mflag-prepare -p mflag-pretrain && cargo build -p mflag-encoder --example embed
     python tests/oracle/export.py RUN FILMS [--programs target/debug] [--count 64]
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import cv2
import numpy as np
import onnx
import onnxruntime
import timm
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file

# Largest allowed difference, relative to the largest value of mflag's vectors.
TOLERANCE = 1e-5


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def prepared(store, preprocess, count):
    """Returns the pixels that the network sees, u8 [n, 1, S, S], and the paths of the films."""
    records = [json.loads(line) for line in (store / "films.jsonl").read_text().splitlines()][:count]
    squares = np.concatenate([np.load(shard) for shard in sorted(store.glob("**/*.npy"))])[: len(records)]
    assert squares.dtype == np.uint8
    side, resize = preprocess["side"], preprocess["resize"]
    if resize != preprocess["square"]["side"]:
        size = (resize, resize)
        squares = np.stack([cv2.resize(square[0], size, interpolation=cv2.INTER_AREA)[None] for square in squares])
    start = (resize - side) // 2
    return squares[:, :, start : start + side, start : start + side], [record["path"] for record in records]


def torchvision_network(arch):
    net = getattr(torchvision.models, arch)()
    net.fc = torch.nn.Identity()
    return net


def timm_network(arch):
    return timm.create_model(arch, num_classes=0)


def by_safetensors(file, preprocess, pixels, network):
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["format"] == "pt"
        net = network(opened.metadata()["arch"])
    net.load_state_dict(load_file(file), strict=True)
    films = torch.from_numpy(pixels).float() / 255
    films = ((films - preprocess["mean"]) / preprocess["std"]).expand(-1, 3, -1, -1)
    return net.eval()(films).numpy()


def by_torchscript(file, preprocess, pixels):
    extra = {"preprocess": "", "provenance": ""}
    module = torch.jit.load(file, _extra_files=extra).eval()
    assert json.loads(extra["preprocess"]) == preprocess and "digests" in json.loads(extra["provenance"])
    films = torch.from_numpy(pixels).float()
    assert module(films[:1]).shape[0] == 1
    return module(films).numpy()


def by_onnxruntime(file, preprocess, pixels):
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["preprocess"]) == preprocess
    one = lambda films: session.run(["features"], {"films": films})[0]
    assert one(pixels[:1].astype(np.float32)).shape[0] == 1
    return one(pixels.astype(np.float32))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path, help="folder of a pre-training run")
    parser.add_argument("films", type=pathlib.Path, help="folder of films in the layout of MIMIC-CXR-JPG")
    parser.add_argument("--programs", type=pathlib.Path, default=pathlib.Path("target/debug"))
    parser.add_argument("--count", type=int, default=64, help="largest number of films")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        folder = pathlib.Path(folder)
        pretrain = arguments.programs / "mflag-pretrain"
        run(pretrain, "export", "--run", arguments.run, "--out", folder / "kept")
        weights = str(folder / "kept/encoder.safetensors")
        run(pretrain, "export", "--encoder", weights, "--format", "onnx", "--fold-batch-norm", "--out", folder / "folded")
        with safe_open(weights, "pt") as opened:
            preprocess, arch = json.loads(opened.metadata()["preprocess"]), opened.metadata()["arch"]
        side = preprocess["square"]["side"]
        prepare = [arguments.programs / "mflag-data", "prepare", "mimic", "--root", arguments.films]
        run(*prepare, "--side", side, "--out", folder / "store")
        pixels, files = prepared(folder / "store", preprocess, arguments.count)
        lines = run(arguments.programs / "examples/embed", weights, *files).splitlines()
        ours = np.array([json.loads(line) for line in lines], dtype=np.float32)
        found = {
            "safetensors in torchvision": by_safetensors(weights, preprocess, pixels, torchvision_network),
            "safetensors in timm": by_safetensors(weights, preprocess, pixels, timm_network),
            "TorchScript, torch.jit": by_torchscript(str(folder / "kept/encoder.torchscript.pt"), preprocess, pixels),
            "ONNX, ONNX Runtime": by_onnxruntime(str(folder / "kept/encoder.onnx"), preprocess, pixels),
            "ONNX with BatchNorms folded, ONNX Runtime": by_onnxruntime(str(folder / "folded/encoder.onnx"), preprocess, pixels),
        }
    scale = np.abs(ours).max()
    print(f"{arch}, {len(files)} films, {preprocess['side']} px; values up to {scale:.3f}")
    for name, vectors in found.items():
        assert vectors.shape == ours.shape, name
        difference = np.abs(vectors - ours).max()
        print(f"| {name} | {difference:.1e} | {difference / scale:.1e} |")
        assert difference <= TOLERANCE * scale, name


if __name__ == "__main__":
    main()
