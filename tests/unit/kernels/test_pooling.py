import numpy as np

from tests.unit.kernels.expected import F32, awkward_floats, clip, larger, same, to_int8
from tests.unit.kernels.geometry import ceil_mode, counted, random_window, taps, window
from tests.unit.kernels.machine import pack_params


def windows(rng, number):
    for i in range(number):
        channels = int(rng.choice([1, 3, 8, 15, 16, 20, 33]))
        made = random_window(rng, (channels, channels))
        yield ceil_mode(made) if i % 4 == 0 else made


def test_max_pool_s8(machines, rng):
    for w in windows(rng, 40):
        x = rng.integers(-128, 128, w.in_shape).astype(np.int8)
        lo, hi = sorted(rng.integers(-128, 128, 2).tolist()) if rng.random() < 0.4 else (-128, 127)
        largest = np.full(w.out_shape, lo, np.int8)
        for _, _, values, _ in taps(x, w, np.int8(-128)):
            largest = np.maximum(largest, values)
        params = pack_params(w.fields, lo, hi)
        for machine in machines:
            actual = machine.call("fleet_max_pool_s8", params, [x], w.out_shape, np.int8)
            same(actual, np.minimum(largest, np.int8(hi)))


def test_max_pool_f32(machines, rng):
    for w in windows(rng, 30):
        x = awkward_floats(rng, w.in_shape)
        largest = np.full(w.out_shape, -np.inf, F32)
        for _, _, values, inside in taps(x, w, F32(0)):
            largest = np.where(inside, larger(largest, values), largest)
        params = pack_params(w.fields, -2.0, 6.0)
        for machine in machines:
            actual = machine.call("fleet_max_pool_f32", params, [x], w.out_shape, F32)
            same(actual, clip(largest, -2.0, 6.0))


def check_average_s8(machines, rng, w, count_include_pad):
    count = counted(w, count_include_pad)
    if count.min() == 0:
        return
    x = rng.integers(-128, 128, w.in_shape).astype(np.int8)
    in_zero, out_zero = rng.integers(-128, 128, 2).tolist()
    in_scale, out_scale = (10 ** rng.uniform(-3, 0, 2)).astype(F32)
    acc = sum(values for _, _, values, _ in taps(x.astype(np.int32) - in_zero, w, 0))
    multiplier = in_scale / (out_scale * count.astype(F32))
    wanted = to_int8(acc.astype(F32) * multiplier, out_zero, -128, 120)
    params = pack_params(w.fields, count_include_pad, in_zero, out_zero, -128, 120, in_scale, out_scale)
    for machine in machines:
        same(machine.call("fleet_average_pool_s8", params, [x], w.out_shape, np.int8), wanted)


def check_average_f32(machines, rng, w, count_include_pad):
    count = counted(w, count_include_pad)
    if count.min() == 0:
        return
    x = awkward_floats(rng, w.in_shape)
    with np.errstate(all="ignore"):
        acc = np.zeros(w.out_shape, F32)
        for _, _, values, inside in taps(x, w, F32(0)):
            acc = np.where(inside, acc + values, acc)
        wanted = clip(acc / count.astype(F32), -np.inf, 30.0)
    params = pack_params(w.fields, count_include_pad, -np.inf, 30.0)
    for machine in machines:
        same(machine.call("fleet_average_pool_f32", params, [x], w.out_shape, F32), wanted)


def test_average_pools(machines, rng):
    for w in windows(rng, 40):
        for count_include_pad in (0, 1):
            check_average_s8(machines, rng, w, count_include_pad)
            check_average_f32(machines, rng, w, count_include_pad)


def test_global_average_pools(machines, rng):
    for size, channels in [((7, 7), 40), ((1, 1), 3), ((33, 65), 9)]:
        w = window(size, (channels, channels), size, batch=2)
        check_average_s8(machines, rng, w, 0)
        check_average_f32(machines, rng, w, 0)


def test_a_window_outside_the_input(machines):
    w = window((2, 2), (5, 5), (1, 1), pads=(1, 1, 0, 0))
    x = np.ones(w.in_shape, np.int8)
    for machine in machines:
        result = machine.call(
            "fleet_max_pool_s8", pack_params(w.fields, -100, 127), [x], w.out_shape, np.int8
        )
        assert (result[:, 0] == -100).all()
        assert (result[:, 1:, 1:] == 1).all()
