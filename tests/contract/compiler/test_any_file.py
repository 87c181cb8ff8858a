"""`fleet compile`, `fleet run` and `compile_model`: a file of no project, against onnxruntime."""

import contextlib
import io
import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from controller.cli.app import run
from controller.compiler import (
    CalibrationError,
    Instance,
    ModelProject,
    Silent,
    StateError,
    build,
    compile_model,
)
from protocol.module import sections
from tests.support import onnx_models as models
from tests.support.compiling import engine
from tests.support.streaming import counter


def fleet(*words):
    """Exit code, and the last line of stdout as JSON."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = run([*map(str, words), "--json"])
    return code, json.loads(out.getvalue().splitlines()[-1])


def reference(proto, **inputs):
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True))


@pytest.fixture
def block(tmp_path):
    """A model, its file, and 16 samples."""
    proto = models.build("mobile_block")
    path = tmp_path / "My Block.v2.onnx"
    onnx.save(proto, path)
    shape = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    samples = np.random.default_rng(1).standard_normal((16, *shape)).astype(np.float32)
    return proto, path, samples


@pytest.mark.parametrize("target", ["simd", "mvp"])
def test_float(block, tmp_path, target):
    proto, path, samples = block
    np.save(tmp_path / "x.npy", samples[0])
    wasm, result = tmp_path / "m.wasm", tmp_path / "y.npz"
    code, said = fleet("compile", path, "-o", wasm, "--target", target)
    assert code == 0
    assert said["module_bytes"] == wasm.stat().st_size
    assert said["compile_seconds"] > 0
    assert said["arena_bytes"] >= said["arena_bound"] > 0
    code, said = fleet("run", wasm, "--input", f"x={tmp_path}/x.npy", "--output", result, "--repeat", 3)
    assert code == 0
    assert (said["runs"], said["finite"], said["layer"]) == (3, True, None)
    assert said["median_ms"] > 0
    expected = reference(proto, x=samples[0])
    with np.load(result) as outputs:
        assert set(outputs) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(outputs[name], value, atol=1e-5)


def test_every_form_of_calibration_gives_the_same_module(block, tmp_path):
    proto, path, samples = block
    np.savez(tmp_path / "c.npz", x=samples)
    folders = {name: tmp_path / name for name in ("parts", "array", "single")}
    for folder in folders.values():
        folder.mkdir()
    np.savez(folders["parts"] / "a.npz", x=samples[:10])
    np.savez(folders["parts"] / "b.npz", x=samples[10:])
    np.save(folders["array"] / "x.npy", samples)
    for index, sample in enumerate(samples):
        np.save(folders["single"] / f"{index:02}.npy", sample)
    made = [compile_model(path, calibration=c) for c in (tmp_path / "c.npz", *folders.values())]
    made += [compile_model(source, calibration={"x": samples}, name="my-block-v2") for source in (
        proto, proto.SerializeToString(), str(path))]  # fmt: skip
    bodies = {module.wasm[: module.cuts[-1]] for module in made}
    assert len(bodies) == 1
    module = made[0]
    assert module.meta.name == "my-block-v2"
    assert module.meta.inputs[0].dtype == "int8"
    instance = Instance(module.wasm)
    (name,), (value,) = zip(*reference(proto, x=samples[0]).items(), strict=True)
    given = instance.quantize({"x": samples[0]})
    np.testing.assert_allclose(instance.dequantize(instance.run(given))[name], value, atol=0.05)


def test_integer_inputs_and_an_output_called_file(tmp_path):
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["file"], name="/lookup")],
        "g",
        [helper.make_tensor_value_info("index", TensorProto.INT64, [2])],
        [helper.make_tensor_value_info("file", TensorProto.FLOAT, [2, 3])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "m.onnx")
    np.save(tmp_path / "i.npy", np.array([3, 1]))
    assert fleet("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.wasm")[0] == 0
    assert (
        fleet("run", tmp_path / "m.wasm", "--input", f"{tmp_path}/i.npy", "--output", tmp_path / "y.npz")[0]
        == 0
    )
    with np.load(tmp_path / "y.npz") as outputs:
        assert np.array_equal(outputs["file"], table[[3, 1]])


def test_an_output_is_as_large_as_the_data_make_it(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["places"], name="/places")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("places", TensorProto.INT64, [2, None])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "m.onnx")
    assert fleet("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.wasm")[0] == 0
    loaded = engine(compile_model(proto))
    for x in (np.array([[0, 5, 0], [7, 0, 1]], np.float32), np.zeros((2, 3), np.float32)):
        np.save(tmp_path / "x.npy", x)
        words = ("--input", f"x={tmp_path}/x.npy", "--output", tmp_path / "y.npz")
        assert fleet("run", tmp_path / "m.wasm", *words)[0] == 0
        with np.load(tmp_path / "y.npz") as outputs:
            assert np.array_equal(outputs["places"], np.nonzero(x))
        served = loaded.run({"x": x.tobytes()}, reset=False)["places"]
        assert served.shape == np.stack(np.nonzero(x)).shape
        assert served.data == np.stack(np.nonzero(x)).tobytes()


def test_state_is_carried_from_run_to_run():
    module = compile_model(counter(), state={"h": "hn"})
    assert [t.name for t in (*module.meta.inputs, *module.meta.outputs)] == ["x", "y"]
    instance, x = Instance(module.wasm), np.array([1, 2, 3], np.float32)
    for turn in range(1, 4):
        assert np.array_equal(instance.run({"x": x})["y"], 2 * turn * x)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"q": "hn"}, "q is not an input"),
        ({"h": "q"}, "q is not an output"),
        ({"h": "hn", "x": "hn"}, "hn carries two inputs"),
        ({"h": "hn", "x": "y"}, "leaves the model without an output"),
    ],
)
def test_state_that_does_not_fit(state, why):
    with pytest.raises(StateError, match=why):
        compile_model(counter(), state=state)


def test_state_of_another_shape():
    proto = counter()
    proto.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(StateError, match=r"h is float32\[1\] and hn is float32\[3\]"):
        compile_model(proto, state={"h": "hn"})


def test_state_cannot_be_calibrated():
    with pytest.raises(CalibrationError, match="a model with state"):
        compile_model(counter(), state={"h": "hn"}, calibration={"x": np.zeros((2, 3))})


class Stages(Silent):
    """Keeps what each stage said."""

    def __init__(self):
        self.said = {}

    def end(self, stage, detail, seconds):
        self.said[stage] = (detail, seconds)


def test_a_project_with_state_is_judged_by_the_oracle(tmp_path):
    onnx.save(counter(), tmp_path / "m.onnx")
    (tmp_path / "model.toml").write_text(
        'name = "counter"\nversion = "1.0.0"\nonnx = "m.onnx"\n[state]\nh = "hn"\n'
    )
    stages = Stages()
    made = build(ModelProject.load(tmp_path), progress=stages)
    assert stages.said["check"][0] == "simd = mvp = oracle, 64 inputs, bit for bit"
    assert made.modules["mvp"].meta.state.size >= 12


def test_a_failure_names_the_node(tmp_path):
    proto = counter()
    proto.graph.node[1].op_type = "RandomUniformLike"
    del proto.graph.node[1].input[1]
    onnx.save(proto, tmp_path / "m.onnx")
    code, said = fleet("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.wasm")
    assert (code, said["layer"]) == (3, "/double (RandomUniformLike)")
    assert "a module has no source of chance" in said["error"]
    assert not (tmp_path / "m.wasm").exists()


def test_a_value_that_is_not_finite_names_the_layer(tmp_path):
    onnx.save(counter(), tmp_path / "m.onnx")
    for name in ("x", "h"):
        np.save(tmp_path / f"{name}.npy", np.full(3, 2e38, np.float32))
    assert fleet("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.wasm")[0] == 0
    inputs = [word for name in ("x", "h") for word in ("--input", f"{name}={tmp_path}/{name}.npy")]
    code, said = fleet("run", tmp_path / "m.wasm", *inputs)
    assert (code, said["finite"]) == (0, False)
    assert "/add" in said["layer"]


def test_a_damaged_module(tmp_path):
    wasm = bytearray(compile_model(counter()).wasm)
    body = next(s for s in sections(bytes(wasm)) if s.id == 10)
    wasm[body.start + 4 : body.start + 40] = b"\xff" * 36
    (tmp_path / "m.wasm").write_bytes(wasm)
    code, said = fleet("run", tmp_path / "m.wasm")
    assert code == 3
    assert "m.wasm" in said["error"] or "WebAssembly" in said["error"]


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("compile", "no.onnx", "-o", "m.wasm"), 3, "cannot read no.onnx"),
        (("compile", "no.onnx", "-o", "m.wasm", "--float", "--calibration", "c.npz"), 3, "contradict"),
        (("compile", "no.onnx", "-o", "m.wasm", "--state", "h"), 3, "'h' does not pair"),
        (("compile", "no.onnx", "-o", "m.wasm", "--state", "h=a", "--state", "h=b"), 3, "h has two next"),
        (("compile", "no.onnx", "-o", "m.wasm", "--target", "gpu"), 3, "unknown target gpu"),
        (("run", "no.wasm"), 3, "cannot read no.wasm"),
    ],
)  # fmt: skip
def test_failures_are_told_as_json(words, code, why, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    got, said = fleet(*words)
    assert got == code
    assert why in said["error"]
    assert said["layer"] is None
