"""Reproducible numbers without files: Python and Rust compute the same weights and inputs of a
golden from a name and an index.

value(name, i) = unit(splitmix64(fnv1a64(name) + i)), uniform in [-1, 1). The Rust tests have the
same formula in `tests/src/formula.rs`.
"""
import numpy as np

MASK = (1 << 64) - 1


def values(name: str, shape) -> np.ndarray:
    """float64 values in [-1, 1) of the given shape, row-major."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    n = int(np.prod(shape)) if len(shape) else 1
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = (z >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return (2.0 * unit - 1.0).reshape(shape)


def weights(name: str, shape) -> np.ndarray:
    """Values of a parameter or buffer, by its name and shape: matrices and kernels scaled by 1/sqrt(fan in), norms near 1,
    biases small."""
    shape = tuple(shape)
    x = values(name, shape)
    if name.endswith("running_var"):
        return 1.0 + 0.2 * x
    if len(shape) > 1:
        return x * np.sqrt(3.0 / np.prod(shape[1:]))
    if name.endswith("weight"):
        return 1.0 + 0.1 * x
    return 0.1 * x
