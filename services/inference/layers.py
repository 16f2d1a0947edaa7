"""The layers of the nets in plain NumPy, float32, for many nets at once.

Every array has a leading axis: weights (A, in, out) are those of A nets, inputs (A, L, in) are one window for each.
With A = 1 the weights serve any number of windows. ``np.matmul`` runs one product of one fixed shape per window, and
all else works element by element or along one row, so a window's result has the same bits alone and among others.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Singles = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]


def ready(torch_layout: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Give weights as torch names them the leading axis: matrices "….weight" (1, in, out), vectors (1, 1, out)."""
    found = {}
    for name, array in torch_layout.items():
        if array.ndim == 1:
            found[name] = array[None, None, :]
        elif array.ndim == 2 and name.endswith(".weight"):
            found[name] = np.ascontiguousarray(array.T)[None]
        else:
            found[name] = array[None]
    return found


def linear(w: Arrays, name: str, x: Singles) -> Singles:
    """Map (A, L, in) to (A, L, out)."""
    out: Singles = np.matmul(x, w[f"{name}.weight"])
    out += w[f"{name}.bias"]
    return out


def relu(x: Singles) -> Singles:
    """Set what is negative to zero, in place."""
    return np.maximum(x, np.float32(0.0), out=x)


def sigmoid(x: Singles) -> Singles:
    """Return 1 / (1 + e^-x), which cannot overflow when written as a hyperbolic tangent."""
    half = np.float32(0.5)
    found: Singles = np.tanh(x * half)
    found *= half
    found += half
    return found


def layer_norm(w: Arrays, name: str, x: Singles) -> Singles:
    """Bring each step (A, L, D) to mean 0 and variance 1, then scale and shift it."""
    centred: Singles = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    centred /= np.sqrt(variance + np.float32(1e-5))
    centred *= w[f"{name}.weight"]
    centred += w[f"{name}.bias"]
    return centred


def softmax(x: Singles) -> Singles:
    """Turn scores (..., S) into shares that sum to one, in place."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def heads(x: Singles, count: int) -> Singles:
    """View (A, L, D) as (A, heads, L, D / heads)."""
    return x.reshape(*x.shape[:2], count, x.shape[2] // count).transpose(0, 2, 1, 3)


def attention(query: Singles, key: Singles, value: Singles, count: int) -> Singles:
    """Let queries (A, Q, D) look at keys and values (A, S, D) with ``count`` heads; returns (A, Q, D)."""
    asked = heads(query * np.float32((query.shape[-1] // count) ** -0.5), count)
    scores: Singles = np.matmul(asked, heads(key, count).swapaxes(-1, -2))  # (A, heads, Q, S)
    found: Singles = np.matmul(softmax(scores), heads(value, count))  # (A, heads, Q, E)
    return found.transpose(0, 2, 1, 3).reshape(query.shape)


def lstm(gates: Singles, recurrent: Singles) -> Singles:
    """Run an LSTM over the inputs' share of its gates (A, L, 4H) and return the last hidden state (A, 1, H).

    ``recurrent`` is (A or 1, H, 4H). Gates stand in the order input, forget, output, cell, and of the first three half
    the value is expected in both arguments: sigmoid(2 z) = (1 + tanh(z)) / 2, so that one tanh serves all four.
    """
    count, steps, width = gates.shape
    size, half = width // 4, np.float32(0.5)
    hidden, cell = np.zeros((count, 1, size), np.float32), np.zeros((count, 1, size), np.float32)
    for step in range(steps):
        z = np.matmul(hidden, recurrent)  # (A, 1, 4H)
        z += gates[:, step : step + 1]
        np.tanh(z, out=z)
        z[..., : 3 * size] *= half
        z[..., : 3 * size] += half
        cell *= z[..., size : 2 * size]
        cell += z[..., :size] * z[..., 3 * size :]
        hidden = np.tanh(cell)
        hidden *= z[..., 2 * size : 3 * size]
    return hidden
