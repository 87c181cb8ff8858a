"""Weights, OIHW, into the layouts that modules/kernels/include/fleet/convolution.h documents."""

import numpy as np


def pad_channels(values, groups, multiple=4):
    """[out_c] to [groups][OC4] with zeros, flat."""
    per_group = values.reshape(groups, -1)
    return np.pad(per_group, ((0, 0), (0, -per_group.shape[1] % multiple))).reshape(-1)


def blocks(channels, widths):
    """(first channel, width) of the blocks that cover the padded channels, the widest first."""
    first, padded = 0, -(-channels // 4) * 4
    while first < padded:
        width = next(width for width in widths if width <= padded - first)
        yield first, width
        first += width


def conv_s8(target, weights, bias, multipliers, *, groups=1, step=1, zero_point):
    """step: columns between neighbouring windows."""
    if target == "mvp":
        return [weights.transpose(0, 2, 3, 1), bias, multipliers]
    if target == "mcu":
        rows = weights.transpose(0, 2, 3, 1).reshape(groups, len(weights) // groups, -1)
        rows = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2), (0, -rows.shape[2] % 4)))
        # Of each pair of channels four weights of the one, then four of the other.
        pairs = [
            np.stack([group[channel].reshape(-1, 4), group[channel + 1].reshape(-1, 4)], axis=1)
            for group in rows
            for channel in range(0, rows.shape[1], 2)
        ]
        return [np.stack(pairs), less_zero_point(weights, bias, zero_point), multipliers]
    lane = 4 if target == "relaxed" else 2
    out_c, ic, kernel_h, kernel_w = weights.shape
    flat = step * ic % lane or (kernel_h > 1 and kernel_w * ic < 8)
    count = 1 if flat else kernel_h
    segments = weights.transpose(0, 2, 3, 1).reshape(groups, out_c // groups, count, -1)
    rest = -segments.shape[-1] % lane
    segments = np.pad(segments, ((0, 0), (0, -(out_c // groups) % 4), (0, 0), (0, rest)))
    if target == "relaxed":
        bias = less_zero_point(weights, bias, zero_point)
        assert weights.min() >= -64
        assert weights.max() <= 63
        segments = segments + np.int8(64)
    packed = [
        group[first : first + width].reshape(width, count, -1, lane).transpose(1, 2, 0, 3).reshape(-1)
        for group in segments
        for first, width in blocks(out_c // groups, (8, 4))
    ]
    return [np.concatenate(packed), pad_channels(bias, groups), pad_channels(multipliers, groups)]


def less_zero_point(weights, bias, zero_point):
    """What a sum over activations as they are begins with, modulo 2^32."""
    offset = bias.astype(np.int64) - zero_point * weights.astype(np.int64).sum(axis=(1, 2, 3))
    return (offset & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def winograd_conv_s8(target, weights, bias, multipliers):
    if target == "mvp":
        return conv_s8(target, weights, bias, multipliers, zero_point=0)
    out_c, ic, *_ = weights.shape
    packed = weights.reshape(out_c // 16, 16, ic // 2, 2, 3, 3).transpose(0, 2, 4, 5, 1, 3)
    return [packed, bias, multipliers]


def depthwise_conv_s8(target, weights, bias, multipliers, zero_point):
    if target == "mvp":
        return [weights[:, 0].transpose(1, 2, 0), bias, multipliers]
    channels, _, kernel_h, kernel_w = weights.shape
    taps = weights.reshape(channels, kernel_h * kernel_w)
    if target == "mcu":
        padded = np.pad(taps, ((0, -channels % 4), (0, 0)))
        packed = [padded[channel : channel + 4].T for channel in range(0, channels, 4)]
        return [np.stack(packed), less_zero_point(weights, bias, zero_point), multipliers]
    padded = np.pad(taps, ((0, -channels % 8), (0, kernel_h * kernel_w % 2)))
    packed = padded.reshape(-1, 8, (kernel_h * kernel_w + 1) // 2, 2).transpose(0, 2, 1, 3)
    wrapped = less_zero_point(weights, bias, zero_point)
    return [packed, pad_channels(wrapped, 1, 8), pad_channels(multipliers, 1, 8)]


def conv_f32(target, weights, bias, groups):
    out_c, ic, kernel_h, kernel_w = weights.shape
    grouped = weights.reshape(groups, out_c // groups, ic, kernel_h, kernel_w).transpose(0, 3, 4, 2, 1)
    if target in {"mvp", "mcu"}:
        return [grouped, bias]
    grouped = np.pad(grouped, ((0, 0), (0, 0), (0, 0), (0, 0), (0, -(out_c // groups) % 4)))
    packed = [
        group[..., first : first + width].reshape(-1)
        for group in grouped
        for first, width in blocks(out_c // groups, (16, 8, 4))
    ]
    return [np.concatenate(packed), pad_channels(bias, groups)]
