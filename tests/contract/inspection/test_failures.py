"""Every way in which a run can end badly names the layer: on the desk, and in the agent's runner."""

import asyncio

import numpy as np
import pytest
from onnx import TensorProto, helper

from controller.compiler import Instance, LayerTrap
from device_agent.runner.engine import EngineError
from device_agent.runner.supervisor import Runner, RunnerError
from tests.support.compiling import compile_graph, engine
from tests.support.patch_wasm import trap_in


def network(*nodes, size=4, **constants):
    """A chain of nodes over x float32[1,size], ending in y."""
    values = [
        helper.make_tensor(name, TensorProto.FLOAT, np.shape(value), np.ravel(value).astype(np.float32))
        for name, value in constants.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "columns"])],
        values,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def dividing():
    """(x + 1) / (x * 0): infinite, or NaN where x is -1, in the third of four layers."""
    return network(
        helper.make_node("Add", ["x", "one"], ["a"], "/add"),
        helper.make_node("Mul", ["x", "none"], ["m"], "/mul"),
        helper.make_node("Div", ["a", "m"], ["d"], "/div"),
        helper.make_node("Sub", ["d", "one"], ["y"], "/sub"),
        one=[1.0],
        none=[0.0],
    )


@pytest.fixture(scope="module")
def divide(tmp_path_factory):
    return compile_graph(dividing(), tmp_path_factory.mktemp("divide"))


def names(module):
    return [layer.name for layer in module.meta.layers]


def test_the_layer_in_which_a_nan_begins(divide):
    x = np.array([[1, -1, 2, 3]], np.float32)
    with pytest.raises(EngineError) as caught:
        engine(divide).run({"x": x.tobytes()}, reset=False)
    assert caught.value.code == "nonfinite"
    assert caught.value.layer == names(divide).index("/div")
    assert Instance(divide.wasm).first_nonfinite({"x": x}) == names(divide).index("/div")


def test_an_infinity_without_any_nan(divide):
    x = np.array([[1, 2, 3, 4]], np.float32)
    with pytest.raises(EngineError) as caught:
        engine(divide).golden([x.tobytes()])
    assert (caught.value.code, caught.value.layer) == ("nonfinite", names(divide).index("/div"))
    assert Instance(divide.wasm).first_nonfinite({"x": x}) == names(divide).index("/div")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_not_finite_is_not_the_modules_fault(divide, bad):
    x = np.array([[1, bad, 3, 4]], np.float32)
    with pytest.raises(EngineError, match="input x has a NaN or an infinity") as caught:
        engine(divide).run({"x": x.tobytes()}, reset=False)
    assert caught.value.code == "input"


def test_finite_outputs_have_no_such_layer(tmp_path):
    module = compile_graph(network(helper.make_node("Relu", ["x"], ["y"], "/relu")), tmp_path)
    assert Instance(module.wasm).first_nonfinite({"x": np.ones((1, 4), np.float32)}) is None


def test_a_run_after_one_that_was_not_finite_is_as_any_other(divide):
    loaded = engine(divide)
    with pytest.raises(EngineError):
        loaded.run({"x": np.zeros((1, 4), np.float32).tobytes()}, reset=False)
    with pytest.raises(EngineError) as caught:
        loaded.run({"x": np.full((1, 4), -1, np.float32).tobytes()}, reset=False)
    assert caught.value.layer == names(divide).index("/div")


async def _in_runner(module, wasm, seconds=5.0):
    runner = await Runner.start(module.meta)
    try:
        await runner.load(wasm, None)
        x = np.full((1, 4), -1, np.float32)
        return await runner.run({"x": x.tobytes()}, seconds)
    finally:
        await runner.stop()


def test_the_runner_says_it_in_words(divide):
    with pytest.raises(RunnerError) as caught:
        asyncio.run(_in_runner(divide, divide.wasm))
    at = names(divide).index("/div")
    assert (
        str(caught.value)
        == f"nonfinite in div_{at} (/div, Div) 1x4 and 1x4 -> 1x4: an output is not a finite number"
    )


@pytest.mark.parametrize("name", ["/add", "/mul", "/div", "/sub"])
def test_a_trap_in_any_layer(divide, name):
    broken, at = trap_in(divide.wasm, name), names(divide).index(name)
    words = f"{divide.meta.describe_layer(at)}: "
    assert f"({name}, " in words
    assert words.endswith("-> 1x4: ")
    with pytest.raises(LayerTrap) as trapped:
        Instance(broken).run({"x": np.ones((1, 4), np.float32)})
    assert trapped.value.what.startswith(f"trap in {words}")
    assert trapped.value.layer == at
    with pytest.raises(RunnerError) as caught:
        asyncio.run(_in_runner(divide, broken))
    assert str(caught.value) == f"trap in {words}unreachable code"


def test_a_deadline_names_the_layer_that_was_running(tmp_path):
    size = 1536
    model = network(
        helper.make_node("Reshape", ["x", "column"], ["c"], "/column"),
        helper.make_node("MatMul", ["c", "x"], ["square"], "/outer"),
        helper.make_node("MatMul", ["square", "square"], ["y"], "/heavy"),
        size=size,
    )
    column = helper.make_tensor("column", TensorProto.INT64, [2], [size, 1])
    model.graph.initializer.append(column)
    module = compile_graph(model, tmp_path, "mvp")

    async def late():
        runner = await Runner.start(module.meta)
        try:
            await runner.load(module.wasm, None)
            await runner.run({"x": np.ones((1, size), np.float32).tobytes()}, 0.5)
        finally:
            await runner.stop()

    with pytest.raises(RunnerError) as caught:
        asyncio.run(late())
    heavy = next(i for i, layer in enumerate(module.meta.layers) if layer.name == "/heavy")
    shape = f"{size}x{size}"
    assert str(caught.value) == (
        f"deadline in matmul_{heavy} (/heavy, {module.meta.layers[heavy].detail}) "
        f"{shape} and {shape} -> {shape}: ran longer than 500 ms and was killed"
    )
