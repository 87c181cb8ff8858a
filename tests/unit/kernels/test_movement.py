import numpy as np
import pytest
import wasmtime

from tests.unit.kernels.expected import F32, same
from tests.unit.kernels.machine import pack_params

RANK = 6


def padded(values):
    return [*values, *[0] * (RANK - len(values))]


def test_copy(machines, rng):
    for size in [1, 7, 8, 9, 16, 1000]:
        x = rng.integers(0, 256, size).astype(np.uint8)
        for machine in machines:
            same(machine.call("fleet_copy", pack_params(size), [x], x.shape, np.uint8), x)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_transposes(machines, rng, dtype):
    for rank in range(1, RANK + 1):
        shape = rng.integers(1, 6, rank)
        axes = rng.permutation(rank)
        x = rng.integers(-100, 100, shape).astype(dtype)
        wanted = np.ascontiguousarray(x.transpose(axes))
        strides = [int(np.prod(shape[axis + 1 :])) for axis in axes]
        outward = [int(np.prod(wanted.shape[d + 1 :])) for d in range(rank)]
        params = pack_params(
            np.dtype(dtype).itemsize, rank, padded(wanted.shape), padded(strides), padded(outward)
        )
        for machine in machines:
            same(machine.call("fleet_strided_copy", params, [x], wanted.shape, dtype), wanted)


def test_an_input_of_a_concat(machines, rng):
    x = rng.integers(-100, 100, (4, 3)).astype(np.int8)
    params = pack_params(1, 2, padded([4, 3]), padded([3, 1]), padded([5, 1]))
    for machine in machines:
        actual = machine.call("fleet_strided_copy", params, [x], (18,), np.int8)
        rows = np.append(actual, np.zeros(2, np.int8)).reshape(4, 5)
        same(rows[:, :3], x)
        assert (rows[:3, 3:].view(np.uint8) == 0xA5).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_gather(machines, rng, dtype):
    x = rng.standard_normal((2, 5, 3)).astype(F32)
    indices = rng.integers(-5, 5, 7).astype(dtype)
    params = pack_params(2, 5, 7, 12, np.dtype(dtype).itemsize)
    for machine in machines:
        same(machine.call("fleet_gather", params, [x, indices], (2, 7, 3), F32), x[:, indices])


@pytest.mark.parametrize("index", [5, -6, 2**31 - 1, -(2**31)])
def test_gather_outside_the_axis_traps(machines, index):
    x, indices = np.zeros(5, np.int8), np.array([index], np.int32)
    for machine in machines:
        with pytest.raises(wasmtime.Trap, match="unreachable"):
            machine.call("fleet_gather", pack_params(1, 5, 1, 1, 4), [x, indices], (1,), np.int8)


def test_all_finite(machines, rng):
    for count in [1, 4, 5, 100]:
        x = rng.standard_normal(count).astype(F32)
        for value in [1.0, -0.0, 3.4e38, 1e-45, np.nan, np.inf, -np.inf]:
            x[rng.integers(count)] = value
            wanted = int(np.isfinite(x).all())
            for machine in machines:
                address, params = machine.load([x.tobytes(), pack_params(count)])
                assert machine.exports["fleet_all_finite_f32"](machine.store, params, address) == wanted
            x = rng.standard_normal(count).astype(F32)
