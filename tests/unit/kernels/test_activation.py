import numpy as np
import pytest

from tests.unit.kernels.expected import F32, awkward_floats, clip, exp, same
from tests.unit.kernels.machine import pack_params

COUNTS = [1, 2, 3, 4, 5, 7, 8, 33, 1024]


def test_table(machines, rng):
    table = rng.integers(-128, 128, 256).astype(np.int8)
    for columns in [1, 3, 8, 31, 256]:
        x = rng.integers(-128, 128, (3, columns)).astype(np.int8)
        for machine in machines:
            params = pack_params(3, columns, columns, columns)
            for in_place in (None, 0):
                actual = machine.call(
                    "fleet_table_s8", params, [x, table], x.shape, np.int8, in_place=in_place
                )
                same(actual, table[x.astype(np.int32) + 128])


def test_table_writes_its_part_of_a_concat(machines, rng):
    table = rng.integers(-128, 128, 256).astype(np.int8)
    x = rng.integers(-128, 128, (4, 6)).astype(np.int8)
    for machine in machines:
        actual = machine.call("fleet_table_s8", pack_params(4, 6, 6, 9), [x, table], (3 * 9 + 6,), np.int8)
        rows = np.append(actual, np.zeros(3, np.int8)).reshape(4, 9)
        same(rows[:, :6], table[x.astype(np.int32) + 128])
        assert (rows[:3, 6:].view(np.uint8) == 0xA5).all()


def hard_sigmoid(x, alpha, beta):
    return clip(F32(alpha) * x + F32(beta), 0, 1)


def hard_swish(x):
    return x * clip(x * F32(1 / 6) + F32(0.5), 0, 1)


def sigmoid(x):
    return F32(1) / (F32(1) + exp(-x))


UNARY = {
    "clip": ((0.0, 6.0), lambda x: clip(x, 0, 6)),
    "hard_sigmoid": ((0.2, 0.5), lambda x: hard_sigmoid(x, 0.2, 0.5)),
    "hard_swish": ((), hard_swish),
    "sigmoid": ((), sigmoid),
}


@pytest.mark.parametrize("name", UNARY)
def test_float_activations(machines, rng, name):
    parameters, function = UNARY[name]
    for count in COUNTS:
        x = awkward_floats(rng, count)
        with np.errstate(all="ignore"):
            wanted = function(x)
        for machine in machines:
            params = pack_params(count, *parameters)
            for in_place in (None, 0):
                same(machine.call(f"fleet_{name}_f32", params, [x], x.shape, F32, in_place=in_place), wanted)
