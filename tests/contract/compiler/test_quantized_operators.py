"""Quantized operators with scales of their own, n-grams and trees: targets equal the oracle to the bit."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from controller.compiler.emit import Header, emit
from controller.compiler.execute import Instance
from controller.compiler.ir.document import encode
from controller.compiler.passes import assign_layout
from controller.compiler.plan import plan
from controller.compiler.progress import Silent
from controller.compiler.stages import Request, read_stage
from controller.compiler.targets import find_target
from tests.oracle import load, run, same_class

SEED = 4
RANDOM = np.random.default_rng(SEED)
Case = tuple[str, dict[str, np.ndarray], dict[str, np.ndarray], str, tuple[int, ...], dict[str, Any]]
"""(operator, inputs, constants, type and shape of the output, attributes)"""


def ints(dtype: str, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return RANDOM.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def floats(*shape: int, spread: float = 3.0) -> np.ndarray:
    return (RANDOM.standard_normal(shape) * spread).astype(np.float32)


def scales(*shape: int) -> np.ndarray:
    return RANDOM.uniform(0.01, 0.1, shape).astype(np.float32)


def cases() -> Iterator[Case]:
    special = floats(4, 6, 5)
    special[0, 0] = [np.nan, np.inf, -np.inf, 1e30, -0.0]
    for dtype in ("int8", "uint8", "int16", "uint16"):
        for shape, attrs in (((), {}), ((6,), {"axis": 1}), ((4, 3, 5), {"axis": 1, "block_size": 2})):
            given = {"s": scales(*shape), "z": ints(dtype, *shape)}
            yield "QuantizeLinear", {"x": special, **given}, {}, dtype, (4, 6, 5), attrs
            given["s"] = scales(*shape)
            yield "DequantizeLinear", {"x": ints(dtype, 4, 6, 5), **given}, {}, "float32", (4, 6, 5), attrs
    for a, b in (("uint8", "int8"), ("int8", "int8"), ("uint8", "uint8")):
        for rows, columns in (((), ()), ((7,), (9,))):
            zeros = {"az": ints(a, *rows), "bz": ints(b, *columns)}
            inputs = {"a": ints(a, 7, 33)}
            yield "MatMulInteger", inputs, {"b": ints(b, 33, 9), **zeros}, "int32", (7, 9), {}
    for mode in ("TF", "IDF", "TFIDF"):
        attrs = {
            "mode": mode,
            "min_gram_length": 1,
            "max_gram_length": 2,
            "max_skip_count": 3,
            "ngram_counts": [0, 4],
            "ngram_indexes": [0, 1, 2, 3, 4, 5, 6],
            "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
            "weights": [float(w) for w in scales(7)],
        }
        yield "TfIdfVectorizer", {"x": RANDOM.integers(2, 9, (3, 20))}, {}, "float32", (3, 7), attrs
    for gather in range(4):
        yield "TreeEnsemble", {"x": floats(9, 4)}, {}, "float32", (9, 3), trees(gather)


def trees(gather: int) -> dict[str, Any]:
    """Three trees of seven nodes and eight leaves each, all modes."""
    nodes, leaves = 7, 8
    inner = [[2 * i + 1, 2 * i + 2] for i in range(3)]
    ends = [[2 * i, 2 * i + 1] for i in range(4)]
    true, false = ([pair[side] for pair in (*inner, *ends)] for side in (0, 1))
    modes = np.tile([0, 1, 2, 3, 6, 5, 4], 3).astype(np.uint8)
    splits = floats(3 * nodes)
    splits[modes == 6] = np.nan
    shift = lambda ids: [  # noqa: E731 - one use
        value + tree * (nodes if at < 3 else leaves) for tree in range(3) for at, value in enumerate(ids)
    ]
    return {
        "aggregate_function": gather,
        "leaf_targetids": RANDOM.integers(0, 3, 3 * leaves).tolist(),
        "leaf_weights": numpy_helper.from_array(floats(3 * leaves), "votes"),
        "membership_values": numpy_helper.from_array(np.array([0.5, np.nan] * 3, np.float32), "members"),
        "n_targets": 3,
        "nodes_falseleafs": [0, 0, 0, 1, 1, 1, 1] * 3,
        "nodes_falsenodeids": shift(false),
        "nodes_featureids": RANDOM.integers(0, 4, 3 * nodes).tolist(),
        "nodes_missing_value_tracks_true": RANDOM.integers(0, 2, 3 * nodes).tolist(),
        "nodes_modes": numpy_helper.from_array(modes, "modes"),
        "nodes_splits": numpy_helper.from_array(splits, "splits"),
        "nodes_trueleafs": [0, 0, 0, 1, 1, 1, 1] * 3,
        "nodes_truenodeids": shift(true),
        "post_transform": 0,
        "tree_roots": [0, nodes, 2 * nodes],
    }


def few_bits() -> Iterator[Case]:
    for bits in (2, 4, 8):
        for zeros in (False, True):
            constants = {"w": ints("uint8", 11, 3, 16 * bits // 8), "s": scales(33)}
            if zeros:
                constants["z"] = ints("uint8", 11 * -(-3 * bits // 8))
            attrs = {"K": 45, "N": 11, "bits": bits, "block_size": 16, "domain": "com.microsoft"}
            yield "MatMulNBits", {"x": floats(5, 45)}, constants, "float32", (5, 11), attrs


ALL = [*cases(), *few_bits()]


def model(case: Case) -> onnx.ModelProto:
    op, inputs, constants, dtype, shape, attrs = case
    domain = {"TreeEnsemble": "ai.onnx.ml"}.get(op, "")
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    node = helper.make_node(op, [*inputs, *constants], ["y"], "node", **{"domain": domain} | attrs)
    out = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info("y", out, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    versions = {"": 23, "ai.onnx.ml": 5, "com.microsoft": 1}
    opsets = [helper.make_opsetid(name, version) for name, version in versions.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize("case", ALL, ids=[f"{case[0]}-{index}" for index, case in enumerate(ALL)])
def test_targets_equal_the_oracle(case: Case):
    _, graph = read_stage(model(case), Request("test", {}, {}), Silent())
    inputs: Mapping[str, np.ndarray] = case[1]
    document = load(encode(graph))
    wanted = run(document, inputs)["y"]
    assign_layout(graph)
    for name in ("simd", "mvp"):
        target = find_target(name)
        module = emit(graph, plan(graph, target), target, Header("test", "0.0.0"))
        assert same_class(Instance(module.wasm).run(inputs)["y"], wanted), f"{name}, seed {SEED}"
