import numpy as np
import pytest

from tests.unit.kernels.expected import F32, awkward_floats, clip, same, to_int8
from tests.unit.kernels.machine import pack_params

RANK = 6


def padded(values):
    return [*values, *[0] * (RANK - len(values))]


def random_operands(rng):
    """Shapes of a, b and their broadcast result, of one rank, and the params of the broadcast."""
    rank = int(rng.integers(1, RANK + 1))
    shape = rng.integers(1, 4, rank)
    shape[-1] = rng.integers(1, 40)
    shapes = [np.where(rng.random(rank) < 0.25, 1, shape).tolist() for _ in range(2)]
    result = np.broadcast_shapes(*shapes)
    strides = [[int(np.prod(one[d + 1 :])) if one[d] > 1 else 0 for d in range(rank)] for one in shapes]
    params = pack_params(rank, padded(result), padded(strides[0]), padded(strides[1]))
    return shapes, result, params


def calls(machine, kernel, params, operands, result, *, dtype):
    """Results into a buffer of its own and, where legal, into that of an operand."""
    yield machine.call(kernel, params, operands, result, dtype)
    for i, operand in enumerate(operands):
        if operand.shape == result:
            yield machine.call(kernel, params, operands, result, dtype, in_place=i)


@pytest.mark.parametrize("subtract", [False, True])
def test_add_s8(machines, rng, subtract):
    for _ in range(40):
        shapes, result, broadcast = random_operands(rng)
        a, b = (rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes)
        a_zero, b_zero, out_zero = rng.integers(-128, 128, 3).tolist()
        a_ratio, b_ratio = (10 ** rng.uniform(-2, 1, 2)).astype(F32)
        lo, hi = sorted(rng.integers(-128, 128, 2).tolist())
        left = (a.astype(np.int32) - a_zero).astype(F32) * a_ratio
        right = (b.astype(np.int32) - b_zero).astype(F32) * b_ratio
        wanted = to_int8(left - right if subtract else left + right, out_zero, lo, hi)
        b_ratio = -b_ratio if subtract else b_ratio
        params = broadcast + pack_params(a_zero, b_zero, out_zero, lo, hi, a_ratio, b_ratio)
        for machine in machines:
            for actual in calls(machine, "fleet_add_s8", params, [a, b], result, dtype=np.int8):
                same(actual, wanted)


def test_mul_s8(machines, rng):
    for _ in range(40):
        shapes, result, broadcast = random_operands(rng)
        a, b = (rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes)
        a_zero, b_zero, out_zero = rng.integers(-128, 128, 3).tolist()
        multiplier = F32(10 ** rng.uniform(-4, 0))
        product = (a.astype(np.int32) - a_zero) * (b.astype(np.int32) - b_zero)
        wanted = to_int8(product.astype(F32) * multiplier, out_zero)
        params = broadcast + pack_params(a_zero, b_zero, out_zero, -128, 127, multiplier)
        for machine in machines:
            for actual in calls(machine, "fleet_mul_s8", params, [a, b], result, dtype=np.int8):
                same(actual, wanted)


@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
def test_every_pair_of_int8(machines, zero_point):
    """All 65,536 pairs, with a multiplier that makes many ties."""
    a, b = np.meshgrid(np.arange(-128, 128, dtype=np.int8), np.arange(-128, 128, dtype=np.int8))
    wide = [x.astype(np.int32) - zero_point for x in (a, b)]
    broadcast = pack_params(1, padded([a.size]), padded([1]), padded([1]))
    add = broadcast + pack_params(zero_point, zero_point, -5, -128, 127, 0.5, 0.5)
    mul = broadcast + pack_params(zero_point, zero_point, -5, -128, 127, 2.0**-7)
    for machine in machines:
        total = wide[0].astype(F32) * F32(0.5) + wide[1].astype(F32) * F32(0.5)
        same(machine.call("fleet_add_s8", add, [a, b], a.shape, np.int8), to_int8(total, -5))
        product = (wide[0] * wide[1]).astype(F32) * F32(2.0**-7)
        same(machine.call("fleet_mul_s8", mul, [a, b], a.shape, np.int8), to_int8(product, -5))


@pytest.mark.parametrize("operator", ["add", "subtract", "multiply", "divide"])
def test_float_operators(machines, rng, operator):
    for _ in range(40):
        shapes, result, broadcast = random_operands(rng)
        a, b = (awkward_floats(rng, shape) for shape in shapes)
        lo, hi = (-np.inf, np.inf) if rng.random() < 0.5 else (0.0, 6.0)
        with np.errstate(all="ignore"):
            wanted = clip(getattr(np, operator)(a, b), lo, hi)
        params = broadcast + pack_params(lo, hi)
        for machine in machines:
            kernel = f"fleet_{operator[:3]}_f32"
            for actual in calls(machine, kernel, params, [a, b], result, dtype=F32):
                same(actual, wanted)
