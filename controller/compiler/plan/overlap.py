"""How far the output of a kernel may run over its input.

Windows move over the input while outputs are written in the order of memory: what the last window has
left may be overwritten. An output that begins `below` bytes below the input, or further down, never catches
up with what is still to be read; one that is computed backwards may begin `above` bytes above, or further up.
The idea is that of Zheng et al., "vMCU: Coordinated Memory Management and Kernel Optimization for DNN
Inference on MCUs" (2024), with bytes for its segments.

Each function mirrors the loops of one kernel; `tests/unit/kernels/test_overlap.py` runs every kernel at the
distances told here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.compiler.plan.steps import Distance, Params

_Positions = NDArray[np.int64]
_NEVER = np.iinfo(np.int64).max // 2


def conv_s8(window: Params, pixels: int, *, planar: bool, patched: bool) -> Distance:
    """Of `fleet_conv_s8` with one group.

    `patched` kernels read a patch, then write it; the reference does not. A host's, with two outputs in a
    patch, may count as one with one: it reads earlier, never later.
    """
    if patched and not planar and _pointwise(window):
        window = _one_row(window)
    return _distance(window, pixels if patched else 1, planar=planar, reads_first=patched)


def depthwise_conv_s8(window: Params) -> Distance:
    """Of `fleet_depthwise_conv_s8`: pixel by pixel, block of channels by block of channels."""
    return _distance(window, 1, planar=False, reads_first=False)


def pool_s8(window: Params) -> Distance:
    """Of the int8 pools: as depthwise convolutions, but never backwards."""
    return Distance(depthwise_conv_s8(window).below, None)


def _pointwise(window: Params) -> bool:
    sizes = ("kernel_h", "kernel_w", "stride_h", "stride_w")
    return all(window[key] == 1 for key in sizes) and all(
        window[f"in_{side}"] == window[f"out_{side}"] for side in "hw"
    )


def _one_row(window: Params) -> Params:
    columns = window["batch"] * window["out_h"] * window["out_w"]
    return {**window, "batch": 1, "in_h": 1, "out_h": 1, "in_w": columns, "out_w": columns}


@dataclass(frozen=True)
class _Patches:
    """Where each patch reads and writes, in the order of memory; ends are exclusive."""

    read_begin: _Positions
    read_end: _Positions
    write_begin: _Positions
    write_end: _Positions


def _distance(window: Params, pixels: int, *, planar: bool, reads_first: bool) -> Distance:
    """The largest lead of the writes over the reads that are still to come, either way.

    Args:
        window: `struct fleet_window`.
        pixels: Columns of outputs of a patch.
        planar: Whether channels are planes of the input.
        reads_first: Whether a patch has been read when its first output is written.
    """
    at = _patches(window, pixels, planar=planar)
    begins = np.minimum.accumulate(at.read_begin[::-1])[::-1]
    ends = np.maximum.accumulate(at.read_end)
    if reads_first:
        begins = np.append(begins[1:], _NEVER)
        ends = np.insert(ends[:-1], 0, -_NEVER)
    # What never meets still needs a number: no output is further away than it is long.
    below = max(int(np.max(at.write_end - begins)), -int(at.write_end[-1]))
    above = max(int(np.max(ends - at.write_begin)), -int(at.write_end[-1]))
    return Distance(below, above)


def _patches(w: Params, pixels: int, *, planar: bool) -> _Patches:
    out_line, out_image = w["out_w"] * w["out_c"], w["out_h"] * w["out_w"] * w["out_c"]
    step, plane = (1, w["in_h"] * w["in_w"]) if planar else (w["in_c"], 0)
    tops = np.arange(w["out_h"]) * w["stride_h"] - w["pad_top"]
    first, last = _inside(tops, w["kernel_h"], w["dilation_h"], w["in_h"])
    ow = np.arange(0, w["out_w"], pixels)
    end = np.minimum(ow + pixels, w["out_w"])
    left = np.clip(ow * w["stride_w"] - w["pad_left"], 0, w["in_w"] - 1)
    reach = (w["kernel_w"] - 1) * w["dilation_w"] - w["pad_left"]
    right = np.clip((end - 1) * w["stride_w"] + reach, 0, w["in_w"] - 1)
    empty = (last < 0)[:, None]
    begins = (first[:, None] * w["in_w"] + left) * step
    ends = (last[:, None] * w["in_w"] + right + 1) * step + plane * (w["in_c"] - 1)
    begins, ends = np.where(empty, _NEVER, begins), np.where(empty, -_NEVER, ends)
    lines = np.arange(w["out_h"])[:, None] * out_line
    write_begins, write_ends = lines + ow * w["out_c"], lines + end * w["out_c"]
    images = np.arange(w["batch"])[:, None]
    in_image = w["in_h"] * w["in_w"] * w["in_c"]
    return _Patches(
        (images * in_image + begins.reshape(1, -1)).reshape(-1),
        (images * in_image + ends.reshape(1, -1)).reshape(-1),
        (images * out_image + write_begins.reshape(1, -1)).reshape(-1),
        (images * out_image + write_ends.reshape(1, -1)).reshape(-1),
    )


def _inside(origin: _Positions, kernel: int, dilation: int, extent: int) -> tuple[_Positions, _Positions]:
    """The first and the last position of each window inside the input; `_NEVER` and -1 if there is none."""
    positions = origin[:, None] + np.arange(kernel) * dilation
    inside = (positions >= 0) & (positions < extent)
    return np.where(inside, positions, _NEVER).min(axis=1), np.where(inside, positions, -1).max(axis=1)
