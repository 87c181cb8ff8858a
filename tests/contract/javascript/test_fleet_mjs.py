"""modules/abi/fleet.mjs computes what the agent computes, in Node."""

import base64
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import wasmtime

from controller.compiler import Instance, compile_model
from device_agent.runner.quantize import dequantize, quantize
from protocol import cbor
from protocol.wasm import sections
from tests.bench.zoo import MODELS
from tests.support.onnx_models import Builder
from tests.support.patch_wasm import trap_in

HERE = Path(__file__).parent
ABI = HERE.parents[2] / "modules" / "abi"
EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38, -3e38], np.float32)
ARRAYS = {"int8": "Int8Array", "uint8": "Uint8Array", "int16": "Int16Array"}


def ask(action, **request):
    done = subprocess.run(
        ["node", HERE / "call.mjs"],
        input=json.dumps({"action": action, **request}),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["ok"]


def pack(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def unpack(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


@pytest.mark.parametrize("dtype", ARRAYS)
@pytest.mark.parametrize(("scale", "zero_point"), [(0.0234, 3), (1 / 3, 100), (1.0, 0), (1e-30, 17)])
@pytest.mark.parametrize("count", [5, 40_001])
def test_quantize(dtype, scale, zero_point, count):
    rng = np.random.default_rng(count)
    step = float(np.float32(scale))
    halves = (np.arange(-700, 700) * 0.5 * step).astype(np.float32)
    values = np.concatenate([EDGES, halves, (rng.standard_normal(count) * step * 90).astype(np.float32)])[
        :count
    ]
    got = ask("quantize", values=pack(values), scale=step, zeroPoint=zero_point, type=ARRAYS[dtype])
    np.testing.assert_array_equal(unpack(got, dtype), quantize(values, step, zero_point, dtype))


def test_dequantize():
    values = np.arange(-128, 128, dtype=np.int8)
    scale = float(np.float32(0.0417))
    got = ask("dequantize", values=pack(values), scale=scale, zeroPoint=-7)
    np.testing.assert_array_equal(unpack(got, np.float32), dequantize(values, scale, -7))


def test_cbor():
    document = {
        "a": [0, 23, 24, 255, 256, 65535, 65536, 2**32, -1, -25, -500],
        "reals": [0.0, 1.5, 65504.0, 1e-7, 3.4e38, 0.1, 1.1, -2.5],
        "text": "ü" * 40, "yes": True, "no": False, "nested": {"1": {}}, "none": [],
    }  # fmt: skip
    assert ask("cbor", bytes=pack(np.frombuffer(cbor.encode(document), np.uint8))) == document


def test_convert_is_assembled_from_its_text():
    wasm = wasmtime.wat2wasm((ABI / "convert.wat").read_text())
    names = next(section for section in sections(wasm) if section.name == "name")
    source = re.search(r"const CONVERT =\n([^;]*);", (ABI / "fleet.mjs").read_text())[1]
    carried = base64.b64decode("".join(re.findall(r'"([^"]*)"', source)))
    assert wasm.startswith(carried)
    assert not [section for section in sections(carried) if section.id == 0]
    assert len(carried) < names.start


def test_int8_model():
    net = MODELS["ds_cnn"].build()
    samples = np.random.default_rng(1).standard_normal((4, *net.shapes["x"])).astype(np.float32)
    module = compile_model(net.model(), calibration={"x": samples}, name="spotter")
    instance = Instance(module.wasm)
    expected = instance.dequantize(instance.run(instance.quantize({"x": samples[0]})))
    got = ask("run", wasm=pack(np.frombuffer(module.wasm, np.uint8)), inputs={"x": pack(samples[0])})
    assert (got["name"], got["version"]) == ("spotter", "0.0.0")
    (tensor,) = got["takes"]
    assert (tensor["name"], tensor["dtype"], tensor["shape"]) == ("x", "int8", [1, 1, 49, 10])
    assert tensor["scale"] == module.meta.inputs[0].scale
    assert [layer["name"] for layer in got["layers"]] == [layer.name for layer in module.meta.layers]
    assert got["outputs"].keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(unpack(got["outputs"][name], np.float32), array.ravel())


def test_float_model_and_wrong_inputs():
    b = Builder()
    x = b.input("x", 2, 3)
    module = compile_model(b.model(b.node("Relu", x)), name="relu")
    wasm = pack(np.frombuffer(module.wasm, np.uint8))
    values = np.array([-1, 2, -3, 4, -5, 6], np.float32)
    (got,) = ask("run", wasm=wasm, inputs={"x": pack(values)})["outputs"].values()
    np.testing.assert_array_equal(unpack(got, np.float32), np.maximum(values, 0))
    with pytest.raises(RuntimeError, match="ModelError: input x has 5 elements, 6 are needed"):
        ask("run", wasm=wasm, inputs={"x": pack(values[:5])})
    with pytest.raises(RuntimeError, match="ModelError: input x is missing"):
        ask("run", wasm=wasm, inputs={})
    values[0] = np.nan
    with pytest.raises(RuntimeError, match="ModelError: input x has a NaN or an infinity"):
        ask("run", wasm=wasm, inputs={"x": pack(values)})


@pytest.fixture(scope="module")
def reciprocal():
    """1 / x + 1 - 1."""
    b = Builder()
    one = b.constant(np.ones((1, 4), np.float32))
    x = b.input("x", 1, 4)
    y = b.node("Sub", b.node("Add", b.node("Div", one, x), one), one)
    return compile_model(b.model(y), name="reciprocal")


def layer_of(module, op):
    index = next(i for i, layer in enumerate(module.meta.layers) if layer.op == op)
    return module.meta.describe_layer(index)


def failure(wasm, values):
    with pytest.raises(RuntimeError) as caught:
        ask("run", wasm=pack(np.frombuffer(wasm, np.uint8)), inputs={"x": pack(values)})
    return str(caught.value)


def test_a_value_that_is_not_finite_names_the_layer_as_the_agent_does(reciprocal):
    place = layer_of(reciprocal, "Div")
    said = failure(reciprocal.wasm, np.array([1, 0, 2, 3], np.float32))
    assert said == f"ModelError: nonfinite in {place}: an output is not a finite number"
    assert " -> 1x4" in place


@pytest.mark.parametrize("op", ["Div", "Add", "Sub"])
def test_a_trap_names_the_layer_as_the_agent_does(reciprocal, op):
    layer = next(layer for layer in reciprocal.meta.layers if layer.op == op)
    said = failure(trap_in(reciprocal.wasm, layer.name), np.ones(4, np.float32))
    assert said == f"ModelError: trap in {layer_of(reciprocal, op)}: unreachable"


def test_other_wasm_files_are_refused():
    wasm = wasmtime.wat2wasm("(module)")
    with pytest.raises(RuntimeError, match=r"no fleet\.meta section"):
        ask("run", wasm=pack(np.frombuffer(wasm, np.uint8)), inputs={})
