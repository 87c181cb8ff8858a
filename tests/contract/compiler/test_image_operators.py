"""Operators of windows and images: targets equal the oracle to the bit, and are near ONNX's."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from tests.contract.compiler.single_operators import SEED, Case, check, draw, ints


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


FAMILIES = {
    "resizing": resizing,
    "sampling": sampling,
    "windows": windows,
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_modules_equal_the_oracle_and_are_close_to_the_reference(family, tmp_path):
    check(list(FAMILIES[family](np.random.default_rng(SEED))), tmp_path)
