"""TfIdfVectorizer, and trees of ai.onnx.ml: their attributes as tables."""

from typing import Any

import numpy as np
import onnx

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import Array

_GATHERS = ("AVERAGE", "SUM", "MIN", "MAX")
_POST_TRANSFORMS = {1: "Softmax", 2: "Sigmoid"}
_MEMBER = 6


def tf_idf_vectorizer(ctx: Context) -> None:
    """TfIdfVectorizer of integers."""
    if "pool_int64s" not in ctx.attrs:
        ctx.refuse("strings have no kernel", "map them to integers before the model")
    pool, starts = ctx.attrs["pool_int64s"], list(ctx.attrs["ngram_counts"])
    columns = ctx.attrs["ngram_indexes"]
    sizes = range(ctx.attrs["min_gram_length"], ctx.attrs["max_gram_length"] + 1)
    grams: list[tuple[int, int, int]] = []
    number = 0
    for size, (begin, end) in enumerate(zip(starts, [*starts[1:], len(pool)], strict=True), start=1):
        for place in range(begin, end - size + 1, size):
            if size in sizes:
                grams.append((size, place, columns[number]))
            number += 1
    weights = np.ones(max(columns) + 1, np.float32)
    if "weights" in ctx.attrs:
        weights[: len(ctx.attrs["weights"])] = ctx.attrs["weights"]
    tables = [
        ctx.add_constant("grams", np.array(grams, np.int32).reshape(-1, 3)),
        ctx.add_constant("pool", np.array(pool, np.int64)),
        ctx.add_constant("weights", weights),
    ]
    mode = ctx.attrs["mode"].decode()
    ctx.emit(
        "TfIdfVectorizer", [ctx.node.input[0], *tables], mode=mode, skips=int(ctx.attrs["max_skip_count"])
    )


def tree_ensemble(ctx: Context) -> None:
    """TreeEnsemble. Leaves get numbers below zero."""
    attrs = ctx.attrs
    modes = _numbers(ctx, "nodes_modes").astype(np.int32)
    true, false = (
        _places(np.array(attrs[f"nodes_{side}nodeids"]), np.array(attrs[f"nodes_{side}leafs"]))
        for side in ("true", "false")
    )
    missing = np.array(attrs.get("nodes_missing_value_tracks_true", np.zeros(modes.size)))
    members = _numbers(ctx, "membership_values") if "membership_values" in attrs else np.zeros(1)
    spans, kept = _members(modes, true, false, attrs["tree_roots"], members)
    features = np.array(attrs["nodes_featureids"])
    nodes = np.stack([features, modes, true, false, missing, *spans], 1).astype(np.int32)
    votes = _numbers(ctx, "leaf_weights")
    tables: list[tuple[str, Array]] = [
        ("roots", np.array(attrs["tree_roots"], np.int32)),
        ("nodes", nodes),
        ("splits", np.where(modes == _MEMBER, 0, _numbers(ctx, "nodes_splits"))),
        ("members", kept),
        ("leaves", np.arange(votes.size + 1, dtype=np.int32)),
        ("targets", np.array(attrs["leaf_targetids"], np.int32)),
        ("votes", votes),
    ]
    dtype = ctx.tensor(0).dtype
    names = [
        ctx.add_constant(name, table.astype(dtype) if table.dtype.kind == "f" else table)
        for name, table in tables
    ]
    post = int(attrs.get("post_transform", 0))
    if post and post not in _POST_TRANSFORMS:
        ctx.refuse(f"post_transform {post} has no kernel", "use 0, 1 (softmax) or 2 (logistic)")
    gather = _GATHERS[int(attrs.get("aggregate_function", 1))]
    result = ctx.emit(
        "TreeEnsemble", [ctx.node.input[0], *names], "votes" if post else None, ctx.out_shape, gather=gather
    )
    if post:
        extra: dict[str, Any] = {"axis": 1} if post == 1 else {}
        ctx.emit(_POST_TRANSFORMS[post], [result], name="post_transform", **extra)


def _numbers(ctx: Context, name: str) -> Array:
    return np.asarray(onnx.numpy_helper.to_array(ctx.attrs[name]))


def _places(ids: Array, is_leaf: Array) -> Array:
    return np.where(is_leaf != 0, -1 - ids, ids)


def _members(
    modes: Array, true: Array, false: Array, roots: list[int], members: Array
) -> tuple[tuple[Array, Array], Array]:
    """Where each MEMBER node's values lie: tree by tree, true branches first, each list ended by NaN."""
    begin, end = np.zeros(modes.size, np.int32), np.zeros(modes.size, np.int32)
    ends = np.flatnonzero(np.isnan(members))
    place, listed = 0, 0
    stack = [int(root) for root in reversed(roots)]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if node < 0 or node in seen:
            continue
        seen.add(node)
        if modes[node] == _MEMBER and listed < ends.size:
            begin[node], end[node] = place, ends[listed]
            place, listed = int(ends[listed]) + 1, listed + 1
        stack += [int(false[node]), int(true[node])]
    return (begin, end), np.nan_to_num(members)


IMPORTERS: dict[str, Importer] = {"TfIdfVectorizer": tf_idf_vectorizer, "TreeEnsemble": tree_ensemble}
