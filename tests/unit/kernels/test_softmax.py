import numpy as np

from tests.unit.kernels.expected import F32, awkward_floats, exp, same, sum4, to_int8
from tests.unit.kernels.machine import pack_params

SHAPES = [(1, 1, 1), (2, 5, 1), (3, 4, 1), (2, 6, 1), (1, 1003, 1), (2, 7, 3), (1, 10, 16)]


def table(scale, length):
    k = min(23, 30 - int(np.ceil(np.log2(length))))
    return np.floor(2.0**k * np.exp(-float(scale) * np.arange(256)) + 0.5).astype(np.uint32)


def test_softmax_s8(machines, rng):
    for shape in [*SHAPES, (1, 65536, 1)]:
        for scale, zero_point, values in [(1 / 256, -128, 128), (1 / 200, 5, 128), (1 / 256, -128, 1)]:
            x = rng.integers(-values, values, shape).astype(np.int8)
            entries = table(rng.uniform(0.001, 0.3), shape[1])
            share = entries[x.max(1, keepdims=True).astype(np.int32) - x]
            total = share.astype(np.int64).sum(1, keepdims=True)
            assert total.max() <= 2**30
            inverse = F32(1) / F32(scale)
            wanted = to_int8(share.astype(F32) * (inverse / total.astype(F32)), zero_point)
            for machine in machines:
                params = pack_params(shape, zero_point, inverse)
                for in_place in (None, 0):
                    actual = machine.call(
                        "fleet_softmax_s8", params, [x, entries], shape, np.int8, in_place=in_place
                    )
                    same(actual, wanted)


def softmax(x):
    """Along axis 1 of [outer, length, inner]; the largest of what is no NaN."""
    e = exp(x - np.fmax.reduce(x, axis=1, keepdims=True, initial=-np.inf))
    return e / sum4(e.transpose(0, 2, 1))[:, None, :]


def test_softmax_f32(machines, rng):
    for shape in SHAPES:
        for x in [
            rng.normal(0, 30, shape).astype(F32),
            awkward_floats(rng, shape),
            np.full(shape, -np.inf, F32),
            np.where(rng.random(shape) < 0.5, F32(-0.0), F32(0)),
        ]:
            with np.errstate(all="ignore"):
                wanted = softmax(x)
            for machine in machines:
                for in_place in (None, 0):
                    actual = machine.call(
                        "fleet_softmax_f32", pack_params(shape), [x], shape, F32, in_place=in_place
                    )
                    same(actual, wanted)


def test_exp_is_below_one_ulp(rng):
    """Of the formula; that kernels compute it is what the tests above show."""
    x = np.concatenate([rng.uniform(-104, 88.7, 2_000_000), rng.uniform(-1, 1, 500_000)]).astype(F32)
    true = np.exp(x.astype(np.float64))
    ulp = np.spacing(np.maximum(true, 2.0**-126).astype(F32)).astype(np.float64)
    assert (np.abs(exp(x) - true) / ulp).max() < 1
