import numpy as np

from tests.unit.kernels import packing
from tests.unit.kernels.expected import F32, awkward_floats, clip, same, to_int8
from tests.unit.kernels.machine import pack_params


def check_s8(machines, rng, rows, depth, columns):
    for targets, bits in ((("mvp", "simd", "mcu"), 8), (("relaxed",), 7)):
        check_bits(
            [machine for machine in machines if machine.target in targets], rng, (rows, depth, columns), bits
        )


def check_bits(machines, rng, shape, bits):
    rows, depth, columns = shape
    x = rng.integers(-128, 128, (rows, depth)).astype(np.int8)
    most = 2 ** (bits - 1)
    weights = rng.integers(-most, most, (depth, columns)).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, columns).astype(np.int32)
    multipliers = (10 ** rng.uniform(-4, -1, columns)).astype(F32)
    in_zero, out_zero = rng.integers(-128, 128, 2).tolist()
    lo, hi = sorted(rng.integers(-128, 128, 2).tolist())
    acc = (x.astype(np.int64) - in_zero) @ weights.astype(np.int64) + bias
    wanted = to_int8(acc.astype(F32) * multipliers, out_zero, lo, hi)
    patch_rows = int(rng.choice([1, 2, 4, 6, rows]))
    params = pack_params(rows, depth, columns, in_zero, out_zero, lo, hi, patch_rows)
    for machine in machines:
        constants = packing.conv_s8(
            machine.target, weights.T[:, :, None, None], bias, multipliers, zero_point=in_zero
        )
        scratch = machine.scratch("fleet_matmul_s8", patch_rows, depth)
        actual = machine.call(
            "fleet_matmul_s8", params, [x, *constants], (rows, columns), np.int8, scratch=scratch
        )
        same(actual, wanted)


def test_random_int8_products(machines, rng):
    for _ in range(40):
        check_s8(machines, rng, *rng.integers(1, 40, 3).tolist())


def test_deep_int8_products(machines, rng):
    check_s8(machines, rng, 1, 6000, 21)
    check_s8(machines, rng, 5, 6001, 4)
    check_s8(machines, rng, 300, 128, 16)


def check_f32(machines, rng, shape, values):
    batch, rows, depth, columns = shape
    a = values((batch, rows, depth))
    b = values((batch if rng.random() < 0.5 else 1, depth, columns))
    bias = values(columns if rng.random() < 0.5 else 1)
    lo, hi = sorted(rng.choice([-np.inf, -1.0, 0.0, 6.0, np.inf], 2, replace=False).tolist())
    acc = np.broadcast_to(bias, (batch, rows, columns)).astype(F32)
    for k in range(depth):
        acc = acc + a[..., k, None] * b[..., k, None, :]
    params = pack_params(
        [batch, rows, depth, columns],
        [rows * depth, depth * columns if len(b) == batch and batch > 1 else 0],
        int(bias.size > 1),
        [lo, hi],
    )
    for machine in machines:
        same(machine.call("fleet_matmul_f32", params, [a, b, bias], acc.shape, F32), clip(acc, lo, hi))


def test_random_float_products(machines, rng):
    def ordinary(shape):
        return rng.standard_normal(shape).astype(F32)

    with np.errstate(all="ignore"):
        for _ in range(20):
            check_f32(machines, rng, rng.integers(1, [4, 8, 40, 40]).tolist(), ordinary)
            shape = rng.integers(1, [4, 8, 8, 40]).tolist()
            check_f32(machines, rng, shape, lambda size: awkward_floats(rng, size))
