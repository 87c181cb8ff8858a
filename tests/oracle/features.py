"""N-grams and trees."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .arithmetic import F32, Array, maximum, minimum
from .layer import Layer, Operator

_MODES: dict[int, Callable[[Any, Any], Any]] = {
    0: lambda v, split: v <= split,
    1: lambda v, split: v < split,
    2: lambda v, split: v >= split,
    3: lambda v, split: v > split,
    4: lambda v, split: v == split,
    5: lambda v, split: v != split,
}
_MEMBER = 6


def tf_idf(layer: Layer) -> Array:
    """How often each n-gram stands in a row, by its column; weighed."""
    x, grams, pool, weights = (layer.x(index) for index in range(4))
    rows, mode = x.reshape(-1, x.shape[-1]).astype(np.int64), layer.node.attrs["mode"]
    counts = np.zeros((len(rows), len(weights)), F32)
    for size, first, column in grams.tolist():
        gaps = 1 if size == 1 else layer.node.attrs["skips"] + 1
        for step in range(1, gaps + 1):
            for start in range(max(rows.shape[1] - step * (size - 1), 0)):
                place = np.arange(size) * step + start
                counts[:, column] += np.all(rows[:, place] == pool[first : first + size], 1)
    if mode == "IDF":
        counts = np.where(counts > 0, weights, F32(0))
    elif mode == "TFIDF":
        counts = counts * weights
    return counts.reshape(layer.out.shape)


def tree_ensemble(layer: Layer) -> Array:
    """Every tree's leaf votes, gathered by target, tree after tree."""
    x, roots, nodes, splits, members, leaves, targets, votes = (layer.x(index) for index in range(8))
    gather, info = layer.node.attrs["gather"], np.finfo(x.dtype)
    first = {"MIN": np.inf, "MAX": -np.inf}.get(gather, 0)
    result = np.full(layer.out.shape, first, info.dtype)
    for row, y in zip(x, result, strict=True):
        for root in roots.tolist():
            place = root
            while place >= 0:
                feature, mode, yes, no, missing, begin, end = nodes[place].tolist()
                v = row[feature]
                is_true = v in members[begin:end] if mode == _MEMBER else _MODES[mode](v, splits[place])
                place = yes if is_true or (missing and np.isnan(v)) else no
            for vote in range(leaves[-1 - place], leaves[-place]):
                y[targets[vote]] = _gathered(gather, y[targets[vote]], votes[vote], len(roots))
    return result


def _gathered(gather: str, a: Any, v: Any, trees: int) -> Any:
    if gather == "MIN":
        return minimum(a, v)
    if gather == "MAX":
        return maximum(a, v)
    return a + (v / v.dtype.type(trees) if gather == "AVERAGE" else v)


OPERATORS: dict[str, Operator] = {"TfIdfVectorizer": tf_idf, "TreeEnsemble": tree_ensemble}
