"""Goldens of the ONNX operators in exported encoders, by ONNX Runtime, into tests/golden/operators.

onnx's own helper builds a small network. Its extents, strides and constants are all different, so
that mixed-up attributes or inputs change the result. The Rust tests parse this file with the
messages that the export uses, and run it with their own operators. If the result agrees with ONNX
Runtime, both are right.

Run: python tests/oracle/operators.py
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OUT = pathlib.Path(__file__).parent.parent / "golden" / "operators"


def main():
    random = np.random.default_rng(7)
    draw = lambda *shape: random.normal(size=shape).astype(np.float32)
    constants = {
        "scale": np.float32(0.02),
        "shift": np.float32(-1.5),
        "kernels": draw(4, 1, 3, 5),
        "bias": draw(4),
        "gain": draw(4),
        "offset": draw(4),
        "mean": draw(4),
        "variance": np.abs(draw(4)) + 0.1,
        "pointwise": draw(4, 4, 1, 1),
    }
    nodes = [
        helper.make_node("Mul", ["films", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["shifted"]),
        helper.make_node("Conv", ["shifted", "kernels", "bias"], ["conv"], kernel_shape=[3, 5], strides=[1, 2], pads=[1, 2, 1, 2]),
        helper.make_node("BatchNormalization", ["conv", "gain", "offset", "mean", "variance"], ["norm"], epsilon=0.01),
        helper.make_node("Relu", ["norm"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]),
        helper.make_node("Conv", ["pool", "pointwise"], ["mixed"], kernel_shape=[1, 1], strides=[1, 1], pads=[0, 0, 0, 0]),
        helper.make_node("Add", ["mixed", "pool"], ["sum"]),
        helper.make_node("GlobalAveragePool", ["sum"], ["average"]),
        helper.make_node("Flatten", ["average"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "operators",
        [helper.make_tensor_value_info("films", TensorProto.FLOAT, ["N", 1, 9, 12])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="onnx")
    helper.set_model_props(model, {"key": "value"})
    onnx.checker.check_model(model, full_check=True)
    OUT.mkdir(parents=True, exist_ok=True)
    onnx.save(model, OUT / "operators.onnx")
    films = random.integers(0, 256, size=(2, 1, 9, 12)).astype(np.float32)
    session = onnxruntime.InferenceSession(OUT / "operators.onnx", providers=["CPUExecutionProvider"])
    (features,) = session.run(["features"], {"films": films})
    golden = {"films": films.ravel().tolist(), "features": features.ravel().tolist()}
    (OUT / "operators.json").write_text(json.dumps(golden))


if __name__ == "__main__":
    main()
