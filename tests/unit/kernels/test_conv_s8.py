from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.unit.kernels import packing
from tests.unit.kernels.expected import F32, same, to_int8
from tests.unit.kernels.geometry import Window, random_window, taps, window
from tests.unit.kernels.machine import pack_params


@dataclass
class Layer:
    """One int8 convolution with its data; weights OIHW."""

    window: Window
    groups: int
    x: Any
    weights: Any
    bias: Any
    multipliers: Any
    in_zero_point: int
    out_zero_point: int
    clamp: tuple[int, int]
    planar: bool = False
    backwards: bool = False
    patch_pixels: int = 4


def make(rng, w, groups, *, extreme=False):
    """A layer with random data, or with int8's extremes and multipliers that saturate."""
    pick = (
        (lambda shape: rng.choice([-128, 127], shape)) if extreme else (lambda s: rng.integers(-128, 128, s))
    )
    depth = w.kernel_h * w.kernel_w * w.in_c // groups
    clamp = sorted(rng.integers(-128, 128, 2).tolist()) if rng.random() < 0.3 else [-128, 127]
    return Layer(
        window=w,
        groups=groups,
        x=pick(w.in_shape).astype(np.int8),
        weights=pick((w.out_c, w.in_c // groups, w.kernel_h, w.kernel_w)).astype(np.int8),
        bias=rng.integers(-(2**31), 2**31 - 1, w.out_c).astype(np.int32) // (64 if extreme else 2**18),
        multipliers=(10 ** rng.uniform(-3, 1 if extreme else -1, w.out_c) / depth**0.5).astype(F32),
        in_zero_point=int(rng.choice([-128, -7, 0, 127])),
        out_zero_point=int(rng.choice([-128, -1, 0, 127])),
        clamp=(clamp[0], clamp[1]),
        planar=bool(rng.random() < 0.3),
        backwards=bool(rng.random() < 0.5),
        patch_pixels=int(rng.choice([1, 2, 3, 4, 7, 8, 50])),
    )


def expect(layer):
    w = layer.window
    x = layer.x.astype(np.int64) - layer.in_zero_point
    acc = np.broadcast_to(layer.bias.astype(np.int64), w.out_shape).copy()
    grouped = layer.weights.astype(np.int64).reshape(layer.groups, -1, *layer.weights.shape[1:])
    for kh, kw, values, _ in taps(x, w, 0):
        split = values.reshape(*values.shape[:3], layer.groups, -1)
        acc += np.einsum("nhwgi,goi->nhwgo", split, grouped[..., kh, kw]).reshape(acc.shape)
    assert np.abs(acc).max() < 2**31
    return to_int8(acc.astype(F32) * layer.multipliers, layer.out_zero_point, *layer.clamp)


def params(layer, *, planar):
    return pack_params(
        layer.window.fields,
        (layer.groups, planar, layer.in_zero_point, layer.out_zero_point),
        (layer.clamp, layer.backwards, layer.patch_pixels),
    )


def step(w):
    """FLEET_CONV_S8_STEP."""
    return w.stride_w if w.dilation_w == 1 and w.stride_w <= w.kernel_w else w.kernel_w


def narrow(layer):
    """With weights of 7 bits, which relaxed products take."""
    return replace(layer, weights=layer.weights >> 1)


def check_conv(machines, layer):
    check_direct([machine for machine in machines if machine.target != "relaxed"], layer)
    check_direct([machine for machine in machines if machine.target == "relaxed"], narrow(layer))


def check_direct(machines, layer):
    w = layer.window
    wanted = expect(layer)
    for machine in machines:
        scratch = machine.scratch(
            "fleet_conv_s8",
            layer.patch_pixels,
            w.kernel_h,
            w.kernel_w,
            step(w),
            w.in_c // layer.groups,
        )
        constants = packing.conv_s8(
            machine.target,
            layer.weights,
            layer.bias,
            layer.multipliers,
            groups=layer.groups,
            step=step(w),
            zero_point=layer.in_zero_point,
        )
        x = layer.x.transpose(0, 3, 1, 2) if layer.planar else layer.x
        actual = machine.call(
            "fleet_conv_s8",
            params(layer, planar=layer.planar),
            [x, *constants],
            w.out_shape,
            np.int8,
            scratch=scratch,
        )
        same(actual, wanted)


def check_depthwise(machines, layer):
    w = layer.window
    wanted = expect(layer)
    for machine in machines:
        scratch = machine.scratch("fleet_depthwise_conv_s8", w.kernel_h, w.kernel_w, w.in_c)
        constants = packing.depthwise_conv_s8(
            machine.target, layer.weights, layer.bias, layer.multipliers, layer.in_zero_point
        )
        inputs = [layer.x, *constants]
        actual = machine.call(
            "fleet_depthwise_conv_s8",
            params(layer, planar=False),
            inputs,
            w.out_shape,
            np.int8,
            scratch=scratch,
        )
        same(actual, wanted)


def check_winograd(machines, layer):
    layer = replace(layer, planar=False)
    w = layer.window
    wanted = expect(layer)
    # No module for a board calls it.
    for machine in (machine for machine in machines if machine.target != "mcu"):
        constants = packing.winograd_conv_s8(machine.target, layer.weights, layer.bias, layer.multipliers)
        actual = machine.call(
            "fleet_winograd_conv_s8",
            params(layer, planar=False),
            [layer.x, *constants],
            w.out_shape,
            np.int8,
            scratch=machine.scratch("fleet_winograd_conv_s8", layer.patch_pixels, w.in_c),
        )
        same(actual, wanted)


@pytest.mark.parametrize("extreme", [False, True])
def test_winograd_equals_the_direct_convolution(machines, rng, extreme):
    for _ in range(20):
        size, pads = rng.integers(1, 10, 2).tolist(), rng.integers(0, 3, 4).tolist()
        w = window(size, (8, 16), (3, 3), pads=pads, batch=int(rng.integers(1, 3)))
        if w.out_h > 0 and w.out_w > 0:
            check_winograd(machines, make(rng, w, 1, extreme=extreme))
    check_winograd(
        machines, make(rng, window((7, 7), (40, 48), (3, 3), pads=(1, 1, 1, 1)), 1, extreme=extreme)
    )


@pytest.mark.parametrize("extreme", [False, True])
def test_random_convolutions(machines, rng, extreme):
    for _ in range(40):
        groups = int(rng.choice([1, 1, 2, 3]))
        channels = rng.integers(1, [10, 40]) * groups
        check_conv(machines, make(rng, random_window(rng, channels.tolist()), groups, extreme=extreme))


@pytest.mark.parametrize("extreme", [False, True])
def test_random_depthwise_convolutions(machines, rng, extreme):
    for _ in range(40):
        channels = int(rng.choice([1, 3, 4, 7, 8, 12, 20, 64, 70, 132]))
        check_depthwise(
            machines, make(rng, random_window(rng, (channels, channels)), channels, extreme=extreme)
        )


@pytest.mark.parametrize(
    "w",
    [
        window((7, 9), (32, 48), (1, 1)),
        window((5, 5), (600, 20), (1, 1), batch=2),
        window((9, 9), (17, 21), (1, 1), stride=(2, 2)),
        window((9, 9), (5, 16), (2, 2), stride=(2, 2)),
        window((12, 40), (64, 24), (3, 3), pads=(1, 1, 1, 1)),
        window((4, 4), (1100, 5), (3, 3), pads=(1, 1, 1, 1)),
        window((17, 17), (3, 16), (3, 3), stride=(2, 2), pads=(0, 0, 1, 1)),
        window((3, 3), (4, 4), (5, 5), pads=(6, 6, 6, 6)),
        window((1, 64), (16, 33), (1, 9), pads=(0, 4, 0, 4), dilation=(1, 2)),
    ],
    ids=lambda w: f"{w.in_h}x{w.in_w}x{w.in_c}-{w.kernel_h}x{w.kernel_w}-{w.out_c}",
)
def test_shapes_of_real_networks(machines, rng, w):
    check_conv(machines, make(rng, w, 1))


@pytest.mark.parametrize(
    "w",
    [
        window((20, 60), (96, 96), (3, 3), pads=(1, 1, 1, 1)),
        window((21, 21), (72, 72), (3, 3), stride=(2, 2), pads=(1, 1, 1, 1)),
        window((9, 70), (40, 40), (5, 5), pads=(2, 2, 2, 2)),
        window((60, 12), (10, 10), (49, 10), pads=(0, 1, 0, 1)),
        window((25, 5), (64, 64), (25, 5)),
    ],
    ids=lambda w: f"{w.in_h}x{w.in_w}x{w.in_c}-{w.kernel_h}x{w.kernel_w}",
)
def test_depthwise_shapes_of_real_networks(machines, rng, w):
    check_depthwise(machines, make(rng, w, w.out_c))


def test_a_group_of_one_input_may_have_several_outputs(machines, rng):
    check_conv(machines, make(rng, window((6, 6), (5, 15), (3, 3), pads=(1, 1, 1, 1)), 5))


def test_sums_at_the_ends_of_int32_and_ties(machines):
    """Bias alone makes the sum: the conversion to float rounds, the multiplier saturates or leaves a tie."""
    bias = np.array([2**31 - 1, 1 - 2**31, 2**24 + 1, -13_000_000, 1, 3, 5, -1, -3, -5, 255, -255], np.int32)
    multipliers = np.array([1, 1, 2.0**-18, 1, *[0.5] * 6, 0.5, 0.5], F32)
    w = window((1, 1), (1, len(bias)), (1, 1))
    for zero_point in (-128, -1, 0, 3, 127):
        zeros = np.zeros((len(bias), 1, 1, 1), np.int8)
        layer = Layer(
            w, 1, np.zeros((1, 1, 1, 1), np.int8), zeros, bias, multipliers, 0, zero_point, (-128, 127)
        )
        check_conv(machines, layer)
