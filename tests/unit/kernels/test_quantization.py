import numpy as np
import pytest

from tests.unit.kernels.expected import F32, awkward_floats, same, to_int8
from tests.unit.kernels.machine import pack_params

COUNTS = [1, 3, 4, 8, 15, 16, 17, 1000]


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 127])
def test_quantize(machines, rng, zero_point):
    for count in COUNTS:
        scale = F32(10 ** rng.uniform(-4, 1))
        ties = (rng.integers(-300, 300, count) + 0.5).astype(F32) * scale
        for x in (awkward_floats(rng, count), ties):
            with np.errstate(all="ignore"):
                wanted = to_int8(x / scale, zero_point)
            for machine in machines:
                params = pack_params(count, zero_point, scale)
                same(machine.call("fleet_quantize_f32_s8", params, [x], x.shape, np.int8), wanted)


def test_quantize_rounds_half_to_even_and_nan_to_the_lowest(machines):
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, np.nan, -np.nan, np.inf, -np.inf, 1e30], F32)
    wanted = np.array([0, 2, 2, 0, -2, -128, -128, 127, -128, 127], np.int8)
    for machine in machines:
        same(machine.call("fleet_quantize_f32_s8", pack_params(10, 0, 1.0), [x], x.shape, np.int8), wanted)


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 127])
def test_dequantize(machines, rng, zero_point):
    for count in COUNTS:
        x = rng.integers(-128, 128, count).astype(np.int8)
        scale = F32(10 ** rng.uniform(-4, 1))
        wanted = (x.astype(np.int32) - zero_point).astype(F32) * scale
        for machine in machines:
            params = pack_params(count, zero_point, scale)
            same(machine.call("fleet_dequantize_s8_f32", params, [x], x.shape, F32), wanted)
