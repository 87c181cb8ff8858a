"""Operators that move, choose and sample: targets equal the oracle to the bit, and are near ONNX's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from controller.compiler.ir.operators import OPERATORS, UNLOWERED
from tests.oracle import interpreter, load, run, same_class
from tests.support.compiling import compile_targets

OPSET = 26
SEED = 23
KINDS = ("float32", "float64", "int8", "int32", "int64", "uint8", "bool")


@dataclass(frozen=True)
class Case:
    """One node.

    Attributes:
        inputs: All of them; None where one is left out.
        outputs: Shapes of the outputs, as the file declares them; None where data say it.
        types: Of the outputs; that of the first input unless given.
        constants: Indices of inputs that are initializers.
        reference: Whether `onnx.reference` computes what ONNX says.
    """

    op: str
    inputs: Sequence[np.ndarray | None]
    outputs: Sequence[tuple[int | None, ...]]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    types: Sequence[str] = ()
    constants: frozenset[int] = frozenset()
    reference: bool = True

    def __str__(self) -> str:
        return f"{self.op} {self.inputs[0].dtype}{list(self.inputs[0].shape)} {dict(self.attrs)}"


def draw(random: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    if dtype == "bool":
        return random.random(shape) < 0.5
    if np.dtype(dtype).kind == "f":
        return random.standard_normal(shape).astype(dtype)
    return random.integers(-9 if np.dtype(dtype).kind == "i" else 0, 10, shape).astype(dtype)


def ints(*values: int, dtype: str = "int64") -> np.ndarray:
    return np.array(values, dtype)


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


def windows(random: np.random.Generator) -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        x, w, b = draw(random, dtype, 2, 4, 5, 6), draw(random, dtype, 6, 2, 3, 2), draw(random, dtype, 6)
        attrs = {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]}
        yield Case("Conv", [x, w, b], [(2, 6, 3, 5)], attrs)
        cube = draw(random, dtype, 1, 2, 4, 3, 5)
        yield Case("Conv", [cube, draw(random, dtype, 3, 2, 2, 3, 2)], [(1, 3, 3, 1, 4)])
        w = draw(random, dtype, 4, 3, 3, 2)
        attrs = {"group": 2, "strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2]}
        # The reference does not know groups with dilations.
        yield Case("ConvTranspose", [x, w, b], [(2, 6, 10, 7)], attrs, reference=False)
        columns = draw(random, dtype, 2, 12, 6)
        yield Case(
            "Col2Im",
            [columns, ints(4, 5), ints(2, 3)],
            [(2, 2, 4, 5)],
            {"strides": [2, 1]},
            constants=frozenset({1, 2}),
        )
        for p in (1, 2, 3):
            yield Case("LpPool", [x], [(2, 4, 3, 3)], {"kernel_shape": [3, 4], "p": p})
        for size in (2, 3, 5):
            # The reference counts channels by the size of the batch.
            even = draw(random, dtype, 4, 4, 3, 2)
            yield Case("LRN", [even], [even.shape], {"size": size, "alpha": 0.3, "beta": 0.6, "bias": 1.5})
        offsets = 1.5 * draw(random, dtype, 2, 2 * 2 * 4, 4, 5)
        mask, w = draw(random, dtype, 2, 2 * 4, 4, 5), draw(random, dtype, 6, 2, 2, 2)
        attrs = {"group": 2, "offset_group": 2}
        inputs = [x, w, offsets.astype(dtype), b, mask]
        # The reference computes it in float32.
        yield Case("DeformConv", inputs, [(2, 6, 4, 5)], attrs, reference=dtype == "float32")
        cube = draw(random, dtype, 2, 3, 4, 3, 5)
        attrs = {"kernel_shape": [2, 2, 2], "pads": [1, 0, 1, 0, 1, 0], "strides": [1, 1, 2]}
        shape = (2, 3, 4, 3, 3)
        for include in (0, 1):
            yield Case("AveragePool", [cube], [shape], {**attrs, "count_include_pad": include})
        yield Case("MaxPool", [cube], [shape], attrs)
    for dtype, order in product(("float32", "float64", "int8", "uint8"), (0, 1)):
        # The reference takes other places than those of the maxima.
        x = draw(random, dtype, 1, 1, 6, 7)
        attrs = {"kernel_shape": [2, 3], "storage_order": order}
        yield Case("MaxPool", [x], [(1, 1, 5, 5)] * 2, attrs, [dtype, "int64"], reference=False)
    x, places = draw(random, "float32", 1, 1, 2, 2), ints(5, 7, 13, 15).reshape(1, 1, 2, 2)
    attrs = {"kernel_shape": [2, 2], "strides": [2, 2]}
    yield Case("MaxUnpool", [x, places], [(1, 1, 4, 4)], attrs)


def resizing(random: np.random.Generator) -> Iterator[Case]:
    x = draw(random, "float32", 1, 2, 5, 4)
    empty = np.zeros(0, np.float32)
    nearest = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    for coordinates in (
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
    ):
        for mode, how in (*(("nearest", how) for how in nearest), ("linear", ""), ("cubic", "")):
            attrs = {"mode": mode, "coordinate_transformation_mode": coordinates}
            attrs |= {"nearest_mode": how} if how else {}
            for scale in ((1, 1, 1.7, 0.6), (1, 1, 0.5, 2.0)):
                scales = np.array(scale, np.float32)
                shape = tuple(int(np.floor(size * s)) for size, s in zip(x.shape, scales, strict=True))
                # The reference rounds some coordinates in another order.
                yield Case(
                    "Resize", [x, empty, scales], [shape], attrs, constants=frozenset({1, 2}), reference=False
                )
    for mode, outside, anti in product(("linear", "cubic"), (0, 1), (0, 1)):
        attrs = {"mode": mode, "exclude_outside": outside, "antialias": anti, "axes": [2, 3]}
        sizes = ints(3, 2)
        inputs = [x.astype(np.float64), empty, empty, sizes]
        yield Case(
            "Resize",
            inputs,
            [(1, 2, 3, 2)],
            attrs,
            constants=frozenset({1, 2}),
            reference=(mode, outside) == ("linear", 0),
        )
    region = np.array([0.2, 0.1, 0.9, 1.4], np.float32)
    attrs = {
        "mode": "linear",
        "coordinate_transformation_mode": "tf_crop_and_resize",
        "axes": [2, 3],
        "extrapolation_value": 7.0,
    }
    yield Case("Resize", [x, region, empty, ints(3, 6)], [(1, 2, 3, 6)], attrs, constants=frozenset({2, 3}))
    for aspect in ("not_larger", "not_smaller"):
        attrs = {"mode": "linear", "keep_aspect_ratio_policy": aspect, "axes": [2, 3]}
        shape = (1, 2, 9, 7) if aspect == "not_larger" else (1, 2, 10, 8)
        known = frozenset({1, 2, 3})
        yield Case("Resize", [x, empty, empty, ints(10, 7)], [shape], attrs, constants=known, reference=False)


def sampling(random: np.random.Generator) -> Iterator[Case]:
    x = draw(random, "float32", 1, 2, 5, 4)
    for mode, padding, corners in product(
        ("nearest", "linear", "cubic"), ("zeros", "border", "reflection"), (0, 1)
    ):
        for dtype in ("float32", "float64"):
            grid = (1.4 * draw(random, dtype, 1, 3, 3, 2)).astype(dtype)
            grid[0, 0, 0] = [np.nan, 1e30]
            attrs = {"mode": mode, "padding_mode": padding, "align_corners": corners}
            inputs = [x.astype(dtype), grid]
            yield Case("GridSample", inputs, [(1, 2, 3, 3)], attrs, reference=False)
    for dtype, mode, ratio in product(("float32", "float64"), ("avg", "max"), (0, 2)):
        rois = np.array([[0, 0, 3, 4], [1, 2, 2.5, 9], [-7, 1, 1, 2], [1e30, 0, np.nan, 2]], dtype)
        for how in ("half_pixel", "output_half_pixel"):
            attrs = {
                "mode": mode,
                "sampling_ratio": ratio,
                "output_height": 2,
                "output_width": 3,
                "coordinate_transformation_mode": how,
                "spatial_scale": 0.75,
            }
            inputs = [x.astype(dtype), rois, ints(0, 0, 0, 0)]
            yield Case("RoiAlign", inputs, [(4, 2, 2, 3)], attrs, reference=False)


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
    "resizing": resizing,
    "sampling": sampling,
    "windows": windows,
}


def model_of(cases: Sequence[Case]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """All cases side by side in one model, and its inputs."""
    nodes, inputs, outputs, initializers, given = [], [], [], [], {}
    for number, case in enumerate(cases):
        names = [f"x{number}_{index}" for index in range(len(case.inputs))]
        for index, (name, value) in enumerate(zip(names, case.inputs, strict=True)):
            if index in case.constants:
                initializers.append(numpy_helper.from_array(np.asarray(value), name))
            else:
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                inputs.append(helper.make_tensor_value_info(name, kind, value.shape))
                given[name] = np.asarray(value, order="C")
        results = [f"y{number}_{index}" for index in range(len(case.outputs))]
        nodes.append(helper.make_node(case.op, names, results, name=f"{case.op}{number}", **case.attrs))
        types = case.types or [case.inputs[0].dtype.name]
        for name, dtype, shape in zip(results, types, case.outputs, strict=True):
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            outputs.append(helper.make_tensor_value_info(name, kind, shape))
    graph = helper.make_graph(nodes, "general", inputs, outputs, initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    return proto, given


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_modules_equal_the_oracle_and_are_close_to_the_reference(family, tmp_path):
    cases = list(FAMILIES[family](np.random.default_rng(SEED)))
    proto, given = model_of(cases)
    document, instances = compile_targets(proto, tmp_path)
    expected = run(load(document), given)
    wrong = []
    for target, instance in instances.items():
        for name, value in instance.run(given).items():
            if value.shape != expected[name].shape or not same_class(value, expected[name]):
                wrong.append(f"{target}: {cases[int(name[1:].partition('_')[0])]} {name}")
    assert not wrong, f"seed {SEED}"
    for number, case in enumerate(cases):
        if case.reference:
            single, inputs = model_of([case])
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(single).run(None, inputs)
            single_precision = any(value.dtype == np.float32 for value in case.inputs)
            tolerance = 1e-5 if single_precision else 1e-12
            for index, result in enumerate(results):
                found = expected[f"y{number}_{index}"]
                np.testing.assert_allclose(found, result, tolerance, tolerance, err_msg=str(case))


def test_the_oracle_has_every_operator_of_the_graph():
    assert set(interpreter.OPERATORS) == set(OPERATORS) - UNLOWERED
