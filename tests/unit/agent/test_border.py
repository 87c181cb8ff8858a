"""What crosses the border of a module is converted by the rules, and nothing beside it is touched."""

import numpy as np
import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agent.runner.border import Border, Placed
from device_agent.runner.quantize import dequantize, quantize
from device_agent.runner.tensor import Tensor


def without_simd() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_simd = config.wasm_relaxed_simd = False
    return wasmtime.Engine(config)


ENGINES = {"simd": wasmtime.Engine(), "no simd": without_simd()}
# Copies its input, 16 bytes from the begin, to its output.
ECHO = """
(module (memory (export "memory") 1 1)
  (func (export "run") (result i32)
    (memory.copy (i32.const 30000) (i32.const 16) (i32.const {count}))
    (i32.const {status})))
"""
AROUND = 0xEE


class Echo:
    """An instance whose output is its input, under another scale and zero point."""

    def __init__(self, engine: wasmtime.Engine, x: Tensor, y: Tensor, status: int = 0) -> None:
        store = wasmtime.Store(engine)
        text = ECHO.format(count=x.nbytes, status=status)
        exports = dict(wasmtime.Instance(store, wasmtime.Module(engine, text), []).exports(store))
        self.memory = np.frombuffer(exports["memory"].get_buffer_ptr(store), np.uint8)
        self.memory[:] = AROUND
        self.x = Placed(x, 16, self.memory[16 : 16 + x.nbytes])
        self.y = Placed(y, 30000, self.memory[30000 : 30000 + y.nbytes])
        self.border = Border(engine, store, exports, [self.x], [self.y])


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> wasmtime.Engine:
    return ENGINES[request.param]


@st.composite
def tensors(draw):
    dtype, count = draw(st.sampled_from(["int8", "uint8"])), draw(st.integers(0, 70))
    zero = st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)
    scales = st.floats(2.0**-20, 2.0**20, width=32)
    x, y = (Tensor(name, dtype, (count,), draw(scales), draw(zero)) for name in "xy")
    steps = st.integers(-600, 600).map(lambda half: float(np.float32(half / 2) * np.float32(x.scale)))
    values = draw(st.lists(st.floats(width=32) | steps, min_size=count, max_size=count))
    return x, y, np.array(values, np.float32)


@pytest.mark.parametrize("name", ENGINES)
@given(case=tensors())
@settings(deadline=None)
def test_it_converts_by_the_rules(name, case):
    x, y, values = case
    echo = Echo(ENGINES[name], x, y)
    for _ in range(2):
        echo.border.given[0][:] = values.view(np.uint8)
        assert echo.border.run() == 0
        codes = quantize(values, x.scale, x.zero_point, x.dtype)
        assert (echo.x.region.view(x.dtype) == codes).all()
        taken = echo.border.taken[0].view(np.float32)
        np.testing.assert_array_equal(taken, dequantize(codes, y.scale, y.zero_point))
    echo.x.region[:] = echo.y.region[:] = AROUND
    assert (echo.memory == AROUND).all()


def test_what_has_no_scale_stays_in_the_module(engine):
    x, y = (Tensor(name, "float32", (4,), None, 0) for name in "xy")
    echo = Echo(engine, x, y)
    assert np.shares_memory(echo.border.given[0], echo.x.region)
    echo.border.given[0][:] = np.arange(16, dtype=np.uint8)
    assert echo.border.run() == 0
    assert (echo.border.taken[0] == np.arange(16)).all()


def test_a_run_that_fails_leaves_the_outputs(engine):
    x, y = (Tensor(name, "int8", (5,), 0.5, 0) for name in "xy")
    echo = Echo(engine, x, y, status=1)
    echo.border.given[0][:] = np.ones(5, np.float32).view(np.uint8)
    assert echo.border.run() == 1
    assert not echo.border.taken[0].any()
    assert echo.x.region.view(np.int8).tolist() == [2] * 5


@pytest.mark.parametrize("count", [5, 30])
def test_inputs_alone(engine, count):
    x, y = (Tensor(name, "uint8", (count,), 0.25, 7) for name in "xy")
    echo = Echo(engine, x, y)
    echo.border.given[0][:] = np.full(count, 2.0, np.float32).view(np.uint8)
    echo.border.enter()
    assert echo.x.region.tolist() == [15] * count
    assert (echo.y.region == AROUND).all()
