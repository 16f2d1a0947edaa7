"""The Informer of :mod:`services.inference.informer_net` in plain NumPy, for many of them at once.

Arrays lead with an axis of nets or windows, as in :mod:`services.inference.layers`; H is heads, E = D / H.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from services.inference import layers
from services.inference.layers import Arrays, Singles

Weights = dict[str, npt.NDArray[Any]]


def prepare(torch_layout: Arrays) -> Weights:
    """Lay convolutions out as linear maps of three neighbours, with the norm behind a convolution folded into it."""
    w = dict(torch_layout)
    for name in [name.removesuffix(".norm.running_var") for name in w if name.endswith(".norm.running_var")]:
        parts = {part: w.pop(f"{name}.norm.{part}") for part in ("weight", "bias", "running_mean", "running_var")}
        del w[f"{name}.norm.num_batches_tracked"]
        gain = parts["weight"] / np.sqrt(parts["running_var"] + np.float32(1e-5))
        w[f"{name}.conv.weight"] = w[f"{name}.conv.weight"] * gain[:, None, None]
        w[f"{name}.conv.bias"] = (w[f"{name}.conv.bias"] - parts["running_mean"]) * gain + parts["bias"]
    for name in [name for name, array in w.items() if name.endswith(".weight") and array.ndim == 3]:
        w[name] = w[name].transpose(0, 2, 1).reshape(len(w[name]), -1)  # (D, in, 3) -> (D, 3 * in)
    return layers.ready(w)


def neighbours(x: Singles) -> Singles:
    """Put each step between the one before and the one after it: (A, L, C) -> (A, L, 3C); the ends are repeated."""
    before, after = np.concatenate([x[:, :1], x[:, :-1]], axis=1), np.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    return np.concatenate([before, x, after], axis=2)


def embed(w: Arrays, name: str, x: Singles) -> Singles:
    """Make tokens (A, L, D) of values (A, L, F): three neighbours mixed, and the position's code added."""
    out: Singles = np.matmul(neighbours(x), w[f"{name}.token.weight"])
    out += w[f"{name}.position"]
    return out


def distil(w: Arrays, name: str, x: Singles) -> Singles:
    """Halve the steps (A, L, D): convolution with its norm, ELU, the largest of three at every second step."""
    x = layers.linear(w, f"{name}.conv", neighbours(x))
    np.maximum(x, np.expm1(np.minimum(x, np.float32(0.0))), out=x)
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)), constant_values=-np.inf)
    length = (x.shape[1] + 1) // 2
    at = [padded[:, first : first + 2 * length - 1 : 2] for first in range(3)]
    out: Singles = np.maximum(np.maximum(at[0], at[1]), at[2])
    return out


def sparse(w: Arrays, name: str, x: Singles, count: int, causal: bool) -> Singles:
    """ProbSparse self-attention of (A, L, D) with ``count`` heads."""
    query, key, value = (
        layers.heads(layers.linear(w, f"{name}.{part}", x), count) for part in ("query", "key", "value")
    )
    scores: Singles = np.matmul(query * np.float32(query.shape[-1] ** -0.5), key.swapaxes(-1, -2))  # (A, H, L, L)
    sample = w[f"{name}.attention.sample"]  # (A or 1, L, U), and U is also how many queries attend
    drawn = np.take_along_axis(scores, sample[:, None], axis=-1)  # (A, H, L, U)
    measured = drawn.max(axis=-1) - drawn.mean(axis=-1)
    mix = _causal if causal else _leading
    found = mix(scores, value, measured, sample.shape[-1])  # (A, H, L, E)
    return layers.linear(w, f"{name}.out", found.transpose(0, 2, 1, 3).reshape(x.shape))


def _leading(scores: Singles, value: Singles, measured: Singles, active: int) -> Singles:
    """Let the ``active`` queries that stand out most attend; the others take the mean of the values."""
    top = np.argsort(-measured, axis=-1, kind="stable")[..., :active, None]  # (A, H, u, 1)
    attended = np.matmul(layers.softmax(np.take_along_axis(scores, top, axis=2)), value)  # (A, H, u, E)
    found: Singles = np.repeat(value.mean(axis=2, keepdims=True), value.shape[2], axis=2)
    np.put_along_axis(found, top, attended, axis=2)
    return found


def _causal(scores: Singles, value: Singles, measured: Singles, active: int) -> Singles:
    """Let a query attend to its past when fewer than ``active`` before it stand out more; others take the mean."""
    length = scores.shape[-1]
    past = np.tri(length, dtype=np.bool_)
    ahead = ((measured[..., None, :] > measured[..., :, None]) & past).sum(axis=-1)
    attended = np.matmul(layers.softmax(np.where(past, scores, np.float32(-np.inf))), value)
    mean = np.cumsum(value, axis=2) / np.arange(1, length + 1, dtype=np.float32)[:, None]
    found: Singles = np.where((ahead < active)[..., None], attended, mean)
    return found


def look(w: Arrays, name: str, x: Singles, memory: Singles, count: int) -> Singles:
    """Let every step of (A, L, D) look at all of the encoded history (A, S, D)."""
    query = layers.linear(w, f"{name}.query", x)
    key, value = (layers.linear(w, f"{name}.{part}", memory) for part in ("key", "value"))
    return layers.linear(w, f"{name}.out", layers.attention(query, key, value, count))


def feed(w: Arrays, name: str, x: Singles) -> Singles:
    """The two linear layers behind attention, (A, L, D) -> (A, L, D)."""
    return layers.linear(w, f"{name}.feed.3", layers.relu(layers.linear(w, f"{name}.feed.0", x)))


def encode(w: Arrays, name: str, x: Singles, count: int) -> Singles:
    """One encoder layer, (A, L, D) -> (A, L, D)."""
    x = layers.layer_norm(w, f"{name}.norms.0", x + sparse(w, f"{name}.attend", x, count, causal=False))
    return layers.layer_norm(w, f"{name}.norms.1", x + feed(w, name, x))


def decode(w: Arrays, name: str, x: Singles, memory: Singles, count: int, newest: int) -> Singles:
    """One decoder layer, (A, L, D) looking at (A, S, D) -> (A, newest, D)."""
    x = x[:, -newest:] + sparse(w, f"{name}.attend", x, count, causal=True)[:, -newest:]
    x = layers.layer_norm(w, f"{name}.norms.0", x)
    x = layers.layer_norm(w, f"{name}.norms.1", x + look(w, f"{name}.look", x, memory, count))
    return layers.layer_norm(w, f"{name}.norms.2", x + feed(w, name, x))
