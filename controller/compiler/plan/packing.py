"""Weights in the order in which the kernels read them: `modules/kernels/include/fleet/convolution.h`.

All functions take ONNX's OIHW, with I counting the channels of one group.
"""

from collections.abc import Iterator

import numpy as np

from controller.compiler.ir import Array
from controller.compiler.targets import Target

_WIDTHS_S8 = (8, 4)
_WIDTHS_F32 = (16, 8, 4)
DEPTHWISE_BLOCK = 8
_OFFSET = 64
"""`FLEET_CONV_S8_OFFSET`: weights of 7 bits become 0 to 127."""


def _blocks(channels: int, widths: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(first channel, width): as many of the widest blocks as fit, then of the next."""
    first, padded = 0, -(-channels // 4) * 4
    while first < padded:
        width = next(width for width in widths if width <= padded - first)
        yield first, width
        first += width


def channels(values: Array, groups: int, *, simd: bool, multiple: int = 4) -> Array:
    """Biases or multipliers [out_c]; for SIMD each group is padded with zeros to a multiple."""
    if not simd:
        return values
    grouped = values.reshape(groups, -1)
    return np.pad(grouped, ((0, 0), (0, -grouped.shape[1] % multiple))).reshape(-1)


def conv_s8(weights: Array, groups: int, target: Target, *, flat: bool) -> Array:
    """OHWI; for SIMD blocks of [segments][lanes][width][lane], with an offset where products are relaxed.

    For a host's kernels pairs of channels, [OC / 2][words][2][4].

    flat: whether all rows of the kernel are one segment, see `scratch.is_flat`.
    """
    out_c, _, kernel_h, _ = weights.shape
    ohwi = weights.transpose(0, 2, 3, 1)
    group_out = out_c // groups
    if target.host:
        rows: Array = ohwi.reshape(groups, group_out, -1)
        rows = np.pad(rows, ((0, 0), (0, group_out % 2), (0, -rows.shape[-1] % 4)))
        pairs: Array = rows.reshape(groups, -1, 2, rows.shape[-1] // 4, 4).transpose(0, 1, 3, 2, 4)
        return pairs
    if not target.simd:
        return ohwi
    lane, segments = target.lane, 1 if flat else kernel_h
    rows = ohwi.reshape(groups, group_out, segments, -1)
    rows = np.pad(rows, ((0, 0), (0, -group_out % 4), (0, 0), (0, -rows.shape[-1] % lane)))
    if target.relaxed:
        rows += np.int8(_OFFSET)
    packed = [
        group[first : first + width].reshape(width, segments, -1, lane).transpose(1, 2, 0, 3).reshape(-1)
        for group in rows
        for first, width in _blocks(group_out, _WIDTHS_S8)
    ]
    return np.concatenate(packed)


def conv_bias_s8(bias: Array, weights: Array, zero_point: int, groups: int, target: Target) -> Array:
    """[groups][OC], padded for SIMD; less what the input's zero point adds where kernels do not see to it."""
    if target.relaxed or target.host:
        bias = _without_zero_point(bias, weights, zero_point)
    return channels(bias, groups, simd=target.simd)


def _without_zero_point(bias: Array, weights: Array, zero_point: int) -> Array:
    """It may wrap, the sum does not."""
    return np.asarray(
        bias - np.int32(zero_point) * weights.astype(np.int32).sum(axis=(1, 2, 3), dtype=np.int32)
    )


def winograd_conv_s8(weights: Array) -> Array:
    """[OC / 16][IC / 2][kernel_h][kernel_w][16][2]; SIMD only."""
    out_c, in_c, *kernel = weights.shape
    return weights.reshape(out_c // 16, 16, in_c // 2, 2, *kernel).transpose(0, 2, 4, 5, 1, 3)


def depthwise_conv_s8(weights: Array, target: Target) -> Array:
    """[kernel_h][kernel_w][C]; for SIMD [C8 / 8][taps / 2][8][2], for a host's kernels [C4 / 4][taps][4]."""
    taps = weights.reshape(len(weights), -1)
    if target.host:
        return np.pad(taps, ((0, -len(taps) % 4), (0, 0))).reshape(-1, 4, taps.shape[1]).transpose(0, 2, 1)
    if not target.simd:
        return weights[:, 0].transpose(1, 2, 0)
    padded = np.pad(taps, ((0, -len(taps) % DEPTHWISE_BLOCK), (0, taps.shape[1] % 2)))
    return padded.reshape(-1, DEPTHWISE_BLOCK, padded.shape[1] // 2, 2).transpose(0, 2, 1, 3)


def depthwise_bias_s8(bias: Array, weights: Array, zero_point: int, target: Target) -> Array:
    """[C]; for SIMD [C8]; but for the reference less what the input's zero point adds to a sum."""
    if not (target.simd or target.host):
        return bias
    less = _without_zero_point(bias, weights, zero_point)
    return channels(less, 1, simd=target.simd, multiple=DEPTHWISE_BLOCK)


def conv_f32(weights: Array, groups: int, *, simd: bool) -> Array:
    """[groups][kernel_h][kernel_w][IC][OC]; for SIMD blocks of [kernel_h][kernel_w][IC][width]."""
    out_c, group_in, kernel_h, kernel_w = weights.shape
    group_out = out_c // groups
    hwio = weights.reshape(groups, group_out, group_in, kernel_h, kernel_w).transpose(0, 3, 4, 2, 1)
    if not simd:
        return hwio
    hwio = np.pad(hwio, ((0, 0), (0, 0), (0, 0), (0, 0), (0, -group_out % 4)))
    packed = [
        group[..., first : first + width].reshape(-1)
        for group in hwio
        for first, width in _blocks(group_out, _WIDTHS_F32)
    ]
    return np.concatenate(packed)


def depthwise_conv_f32(weights: Array) -> Array:
    """[kernel_h][kernel_w][C] on every target."""
    return weights[:, 0].transpose(1, 2, 0)
