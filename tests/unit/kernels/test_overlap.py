"""Outputs that run over their input as far as `plan/overlap.py` allows are what they are elsewhere."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from controller.compiler.plan import overlap
from tests.unit.kernels import packing
from tests.unit.kernels.expected import same
from tests.unit.kernels.geometry import random_window, window
from tests.unit.kernels.machine import pack_params
from tests.unit.kernels.test_conv_s8 import expect, make, narrow, params, step


def as_params(w):
    return asdict(w)


def leads(distance):
    """How far above the input the output may begin, at the nearest: forwards and backwards."""
    yield -distance.below, False
    if distance.above is not None:
        yield distance.above, True


def check(machine, kernel, layer, *, distance, constants, scratch):
    wanted = expect(layer)
    x = layer.x.transpose(0, 3, 1, 2) if layer.planar else layer.x
    for lead, backwards in leads(distance):
        packed = params(replace(layer, backwards=backwards), planar=layer.planar)
        same(
            machine.call_overlapping(
                kernel, packed, [x, *constants], layer.window.out_shape, lead=lead, scratch=scratch
            ),
            wanted,
        )


def check_conv(machines, layer):
    w = layer.window
    for machine in machines:
        patched, pixels = machine.target != "mvp", layer.patch_pixels if machine.target != "mcu" else 1
        taken = narrow(layer) if machine.target == "relaxed" else layer
        sizes = (layer.patch_pixels, w.kernel_h, w.kernel_w, step(w), w.in_c)
        scratch = machine.scratch("fleet_conv_s8", *sizes)
        distance = overlap.conv_s8(as_params(w), pixels, planar=layer.planar, patched=patched)
        constants = packing.conv_s8(
            machine.target,
            taken.weights,
            layer.bias,
            layer.multipliers,
            step=step(w),
            zero_point=layer.in_zero_point,
        )
        check(machine, "fleet_conv_s8", taken, distance=distance, constants=constants, scratch=scratch)


def check_depthwise(machines, layer):
    w, layer = layer.window, replace(layer, planar=False)
    for machine in machines:
        scratch = machine.scratch("fleet_depthwise_conv_s8", w.kernel_h, w.kernel_w, w.in_c)
        distance = overlap.depthwise_conv_s8(as_params(w))
        constants = packing.depthwise_conv_s8(
            machine.target, layer.weights, layer.bias, layer.multipliers, layer.in_zero_point
        )
        check(
            machine, "fleet_depthwise_conv_s8", layer, distance=distance, constants=constants, scratch=scratch
        )


def test_convolutions_over_their_input(machines, rng):
    for _ in range(60):
        check_conv(machines, make(rng, random_window(rng, rng.integers(1, [10, 20]).tolist()), 1))
    for w in (window((6, 9), (16, 8), (1, 1)), window((8, 8), (8, 8), (3, 3), pads=(1, 1, 1, 1), batch=2)):
        check_conv(machines, make(rng, w, 1))


def test_depthwise_convolutions_over_their_input(machines, rng):
    for _ in range(60):
        channels = int(rng.choice([1, 4, 8, 12, 20]))
        check_depthwise(machines, make(rng, random_window(rng, (channels, channels)), channels))
    w = window((9, 7), (24, 24), (3, 3), pads=(1, 1, 1, 1))
    check_depthwise(machines, make(rng, w, 24))


def test_pools_over_their_input(machines, rng):
    for _ in range(40):
        channels = int(rng.choice([1, 8, 20]))
        w = random_window(rng, (channels, channels))
        x = rng.integers(-128, 128, w.in_shape).astype(np.int8)
        packed = pack_params(w.fields, -128, 127)
        for machine in machines:
            wanted = machine.call("fleet_max_pool_s8", packed, [x], w.out_shape, np.int8)
            lead = -overlap.pool_s8(as_params(w)).below
            same(machine.call_overlapping("fleet_max_pool_s8", packed, [x], w.out_shape, lead=lead), wanted)


def test_one_pixel_nearer_differs(machines, rng, monkeypatch):
    """The distances of a convolution are no larger than they need to be."""
    w = window((8, 6), (8, 8), (3, 3), pads=(1, 1, 1, 1))
    layer = replace(make(rng, w, 1), planar=False, patch_pixels=2, clamp=(-128, 127))
    layer = replace(layer, multipliers=np.full(8, 0.01, np.float32))
    simd = next(machine for machine in machines if machine.target == "simd")
    near = overlap.conv_s8(as_params(w), 2, planar=False, patched=True)
    assert near.above is not None
    check_conv([simd], layer)
    for nearer in (replace(near, below=near.below - 8), replace(near, above=near.above - 8)):
        monkeypatch.setattr(overlap, "conv_s8", lambda *_, nearer=nearer, **__: nearer)
        with pytest.raises(AssertionError):
            check_conv([simd], layer)
