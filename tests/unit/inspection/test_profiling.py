"""Timing layers, with a clock that only a module of known costs moves."""

import random

import pytest
import wasmtime

from protocol.profiling import DRIVER, MOST_TIMES, MOST_TIMES_IN_PLACE, measure
from tests.unit.inspection import samples

CALL = 20_000
COSTS = (40, 700, 90_000, 0, 3_000_000)


class Module:
    """Costs of its layers in nanoseconds, and what every call costs besides."""

    def __init__(self, costs, jitter=lambda: 0):
        self.costs, self.jitter, self.now, self.calls = costs, jitter, 0, []

    def prepare(self):
        self.calls.append("prepare")
        self.now += 7_000

    def layer(self, index, times):
        self.calls.append((index, times))
        self.now += CALL + times * self.costs[index] + self.jitter()

    def whole(self, times):
        self.calls.append(("run", times))
        self.now += CALL + times * sum(self.costs) + self.jitter()


def timing(module, meta=None, **more):
    return measure(module, meta or samples.meta(), lambda: module.now, **more)


def test_the_call_is_not_counted():
    done = timing(Module(COSTS), rounds=5)
    assert done.layers == COSTS
    assert done.run == sum(COSTS)
    assert done.call == CALL
    assert done.rounds == 5


def test_noise_is_taken_out_by_medians():
    seed = random.SystemRandom().randrange(1 << 32)
    noise = random.Random(seed)  # noqa: S311 - a clock's noise
    done = timing(Module(COSTS, lambda: noise.choice((0, 30, 60, 9_000))), rounds=400)
    for found, cost, times in zip(done.layers, COSTS, done.times, strict=True):
        assert abs(found - cost) <= 61 / times, f"seed {seed}"


def test_layers_run_in_their_order_after_inputs_are_written():
    module = Module(COSTS)
    timing(module, rounds=1)
    runs = [call for call in module.calls if call == "prepare" or call[1]]
    while runs:
        assert runs[:3] == ["prepare", ("run", 1), "prepare"]
        assert [index for index, _ in runs[3:8]] == [0, 1, 2, 3, 4]
        runs = runs[8:]


def test_short_layers_are_repeated_but_little_in_place():
    layers = tuple(samples.layer(f"/{i}", offset=256 * (i % 2), reads=(i - 1,)) for i in range(5))
    meta = samples.meta(layers)
    done = timing(Module(COSTS), meta, rounds=1)
    # The first reads an input, whose place metadata do not tell.
    assert done.times == (MOST_TIMES_IN_PLACE, 143, 2, MOST_TIMES, 1)
    in_place = tuple(item.model_copy(update={"offset": 0}) for item in layers)
    assert timing(Module(COSTS), samples.meta(in_place), rounds=1).times == (4, 4, 2, 4, 1)


@pytest.mark.parametrize(("seconds", "rounds"), [(0.0, 5), (0.1, 14), (1e3, 1000)])
def test_rounds_fill_the_time(seconds, rounds):
    assert abs(timing(Module(COSTS), seconds=seconds).rounds - rounds) <= 3


def test_the_driver_runs_layers_as_often_as_it_is_told():
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    module = wasmtime.Module(
        engine,
        """(module (global $sum (export "sum") (mut i32) (i32.const 0))
             (func (export "run_layer") (param i32) (result i32)
               (global.set $sum (i32.add (global.get $sum) (local.get 0))) (i32.const 1))
             (func (export "run") (result i32)
               (global.set $sum (i32.add (global.get $sum) (i32.const 1000))) (i32.const 0)))""",
    )
    exports = wasmtime.Instance(store, module, []).exports(store)
    driver = wasmtime.Instance(
        store, wasmtime.Module(engine, DRIVER), [exports["run_layer"], exports["run"]]
    ).exports(store)
    for name, arguments, total in (
        ("layer", (7, 3), 21), ("layer", (7, 0), 21), ("whole", (2,), 2021), ("whole", (0,), 2021),
    ):  # fmt: skip
        driver[name](store, *arguments)
        assert exports["sum"].value(store) == total
