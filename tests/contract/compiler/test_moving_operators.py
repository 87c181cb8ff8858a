"""Operators that move and choose: targets equal the oracle to the bit, and are near ONNX's."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from onnx import helper

from controller.compiler.ir.operators import OPERATORS, UNLOWERED
from tests.contract.compiler.single_operators import SEED, Case, check, draw, ints
from tests.oracle import interpreter

KINDS = ("float32", "float64", "int8", "int32", "int64", "uint8", "bool")


def moving(random: np.random.Generator) -> Iterator[Case]:
    for dtype in KINDS:
        x = draw(random, dtype, 2, 3, 4)
        yield Case("Expand", [x[:, :1], ints(2, 2, 3, 4)], [(2, 2, 3, 4)], constants=frozenset({1}))
        yield Case("Tile", [x, ints(2, 1, 3)], [(4, 3, 12)], constants=frozenset({1}))
        bounds = [ints(-1, 1), ints(-9, 3), ints(2, 1), ints(-2, 1)]
        for constants in (frozenset({1, 2, 3, 4}), frozenset()):
            yield Case("Slice", [x, *bounds], [(2, 2, 2)], constants=constants)
        yield Case(
            "Split", [x, ints(1, 3)], [(2, 3, 1), (2, 3, 3)], {"axis": -1}, [dtype] * 2, frozenset({1})
        )
        yield Case("Trilu", [x, np.array(1)], [x.shape], {"upper": int(dtype == "int8")})
        for mode in ("constant", "edge", "reflect", "wrap"):
            # The reference lets no amount be negative.
            amounts = ints(1, -1, 2, 2) if mode == "constant" else ints(1, 2, 2, 1)
            shape = (2 + 3, 3, 4 + 1) if mode == "constant" else (2 + 3, 3, 4 + 3)
            inputs = [x, amounts, draw(random, dtype), ints(0, -1)]
            yield Case("Pad", inputs, [shape], {"mode": mode}, reference=mode != "constant")
    empty, x = np.zeros((0, 3), np.float32), draw(random, "float32", 4, 3)
    yield Case("Slice", [empty, ints(-1), ints(-9), ints(0), ints(-1)], [(0, 3)])
    for start, step in ((1, 2**63 - 1), (-1, -(2**63)), (3, -2)):
        size = 2 if step == -2 else 1
        yield Case("Slice", [x, ints(start), ints(9 if step > 0 else -9), ints(0), ints(step)], [(size, 3)])
    for dtype in ("float32", "float64", "int32", "int64"):
        limits = [np.array(v, dtype) for v in (3, 13, 2)]
        yield Case("Range", limits, [(5,)], constants=frozenset({0, 1, 2}))
        lengths = ints(4, 0, 2)
        for axes in ((0, 1), (1, 0)):
            x = draw(random, dtype, *((3, 4, 2) if axes == (0, 1) else (4, 3, 2)))
            attrs = {"batch_axis": axes[0], "time_axis": axes[1]}
            yield Case("ReverseSequence", [x, lengths], [x.shape], attrs)
        condition = random.random((3, 1)) < 0.5
        yield Case(
            "Where", [condition, draw(random, dtype, 3, 4), draw(random, dtype, 4)], [(3, 4)], types=[dtype]
        )
    for source, target in (("float32", "int32"), ("int64", "float64"), ("uint8", "int8")):
        to = helper.np_dtype_to_tensor_dtype(np.dtype(target))
        yield Case("BitCast", [draw(random, source, 5)], [(5,)], {"to": to}, [target])


def choosing(random: np.random.Generator) -> Iterator[Case]:
    for dtype, kind in product(KINDS, ("int32", "int64")):
        x, index = draw(random, dtype, 3, 5), ints(0, -5, 4, 2, dtype=kind).reshape(2, 2)
        yield Case("Gather", [x, index], [(3, 2, 2)], {"axis": 1})
        rows = ints(0, -5, 4, 2, -1, 1, dtype=kind).reshape(3, 2)
        yield Case("GatherElements", [x, rows], [(3, 2)], {"axis": 1})
    for dtype in KINDS:
        x = draw(random, dtype, 2, 3, 4)
        yield Case("GatherND", [x, ints(1, -1, 0, 2).reshape(2, 2)], [(2, 4)])
        yield Case("GatherND", [x, ints(2, -3).reshape(2, 1)], [(2, 4)], {"batch_dims": 1})
        merges = ["none", *(("add", "mul", "max", "min") if dtype != "bool" else ())]
        for reduction in merges:
            attrs = {"reduction": reduction}
            pairs = ints(0, 1, 1, -1, 0, 1).reshape(3, 2)
            if reduction == "none":
                pairs = pairs[:2]
            yield Case("ScatterND", [x, pairs, draw(random, dtype, len(pairs), 4)], [x.shape], attrs)
            rows = ints(2, 0, -1) if reduction != "none" else ints(2, 0, 1)
            updates = draw(random, dtype, 1, 3, 1)
            attrs = {"axis": 1, **attrs}
            yield Case("ScatterElements", [x, rows.reshape(1, 3, 1), updates], [x.shape], attrs)
        condition = np.array([True, False, True])
        yield Case("Compress", [x, condition], [(None,) * 3], {"axis": 1})
        yield Case("Compress", [x, condition], [(None,)])
        yield Case("NonZero", [x], [(None,) * 2], types=["int64"])
    for dtype in ("float32", "float64", "int8", "int64"):
        x = draw(random, dtype, 3, 6)
        if dtype.startswith("float"):
            x[0, :3] = [np.nan, 0.0, -0.0]
        for largest in (0, 1):
            shapes = [(3, 4)] * 2
            # The reference sorts NaNs, and the last of equals before the first.
            yield Case(
                "TopK", [x, ints(4)], shapes, {"largest": largest}, [dtype, "int64"], frozenset({1}), False
            )
        for attrs in ({}, {"sorted": 0}, {"axis": 1}, {"axis": 0, "sorted": 0}):
            types = [dtype, *["int64"] * 3]
            shapes = [(None,) * (2 if "axis" in attrs else 1), *[(None,)] * 3]
            yield Case("Unique", [np.repeat(x, 2, 1)], shapes, attrs, types, reference=False)
        hot = np.array([2, -1, 7, 0], dtype)
        for axis in (0, -1):
            shape = (5, 4) if axis == 0 else (4, 5)
            inputs = [hot, np.array(5), draw(random, "float32", 2)]
            yield Case("OneHot", inputs, [shape], {"axis": axis}, ["float32"], frozenset({1}))
    hot = np.array([np.nan, np.inf, 1e30, 1.9], np.float32)
    inputs = [hot, np.array(3), ints(4, 9)]
    yield Case("OneHot", inputs, [(4, 3)], {}, ["int64"], frozenset({1}), reference=False)


def boxes(random: np.random.Generator) -> Iterator[Case]:
    corners = random.random((2, 7, 4)).astype(np.float32)
    scores = np.round(random.random((2, 3, 7)), 1).astype(np.float32)
    for centre, more in product((0, 1), ([], [np.array([0.4], np.float32)])):
        inputs = [corners, scores, ints(4), np.array([0.3], np.float32), *more]
        yield Case("NonMaxSuppression", inputs, [(None,) * 2], {"center_point_box": centre}, ["int64"])


FAMILIES = {
    "boxes": boxes,
    "choosing": choosing,
    "moving": moving,
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_modules_equal_the_oracle_and_are_close_to_the_reference(family, tmp_path):
    check(list(FAMILIES[family](np.random.default_rng(SEED))), tmp_path)


def test_the_oracle_has_every_operator_of_the_graph():
    assert set(interpreter.OPERATORS) == set(OPERATORS) - UNLOWERED
