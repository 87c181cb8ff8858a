import numpy as np
import pytest

from tests.unit.kernels import packing
from tests.unit.kernels.expected import F32, awkward_floats, clip, same
from tests.unit.kernels.geometry import random_window, taps, window
from tests.unit.kernels.machine import pack_params

BOUNDS = [(-np.inf, np.inf), (0.0, np.inf), (0.0, 6.0), (-1.0, 1.0)]


def expect(w, x, weights, bias, groups):
    acc = np.broadcast_to(bias, w.out_shape).astype(F32)
    ic_of_group = w.in_c // groups
    group = np.arange(w.out_c) // (w.out_c // groups)
    for kh, kw, values, inside in taps(x, w, F32(0)):
        for ic in range(ic_of_group):
            product = values[..., group * ic_of_group + ic] * weights[:, ic, kh, kw]
            acc = np.where(inside, acc + product, acc)
    return acc


def check(machines, rng, w, groups, values):
    x, bias = values(w.in_shape), values(w.out_c)
    weights = values((w.out_c, w.in_c // groups, w.kernel_h, w.kernel_w))
    lo, hi = BOUNDS[rng.integers(len(BOUNDS))]
    with np.errstate(all="ignore"):
        wanted = clip(expect(w, x, weights, bias, groups), lo, hi)
    params = pack_params(w.fields, groups, lo, hi)
    for machine in machines:
        inputs = [x, *packing.conv_f32(machine.target, weights, bias, groups)]
        same(machine.call("fleet_conv_f32", params, inputs, w.out_shape, F32), wanted)
        if groups == w.in_c == w.out_c:
            inputs = [x, weights[:, 0].transpose(1, 2, 0), bias]
            same(machine.call("fleet_depthwise_conv_f32", params, inputs, w.out_shape, F32), wanted)


@pytest.mark.parametrize("values", ["ordinary", "awkward"])
def test_random_convolutions(machines, rng, values):
    make = {
        "ordinary": lambda shape: rng.standard_normal(shape).astype(F32),
        "awkward": lambda shape: awkward_floats(rng, shape),
    }[values]
    for _ in range(25):
        groups = int(rng.choice([1, 1, 2, 3]))
        channels = (rng.integers(1, [8, 30]) * groups).tolist()
        check(machines, rng, random_window(rng, channels), groups, make)
        channels = int(rng.choice([1, 3, 4, 7, 12, 21]))
        check(machines, rng, random_window(rng, (channels, channels)), channels, make)


@pytest.mark.parametrize(
    "w", [window((8, 8), (32, 48), (1, 1)), window((13, 14), (9, 37), (3, 3), pads=(1, 1, 1, 1))]
)
def test_shapes_of_real_networks(machines, rng, w):
    check(machines, rng, w, 1, lambda shape: rng.standard_normal(shape).astype(F32))
