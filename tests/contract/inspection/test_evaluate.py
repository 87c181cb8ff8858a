"""`fleet eval`: float model, oracle and module on labelled data, from a project to the printed page."""

import json
import math

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

from controller.cli.app import run
from tests.unit.compiler.onnx_files import model, save

COUNT = 60
CLASSES = ("none", "some", "all")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two layers; the weights of the second have one that is far larger than the others."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(4)
    second = random.standard_normal((8, 3)).astype(np.float32)
    second[0] = 60
    first = random.standard_normal((5, 8)).astype(np.float32)
    first[:, 0] /= 60
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["h"], "/first"),
        helper.make_node("MatMul", ["h", "second"], ["y"], "/second"),
    ]
    proto = model(nodes, {"x": [1, 5]}, {"y": [1, 3]}, {"first": first, "second": second})
    folder = tmp_path / "toy"
    folder.mkdir()
    save(proto, folder)
    x = random.standard_normal((COUNT, 1, 5)).astype(np.float32)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = np.array([int(np.argmax(session.run(None, {"x": sample})[0])) for sample in x])
    labels = np.where(np.arange(COUNT) % 10 == 0, (answers + 1) % 3, answers)
    np.savez(folder / "samples.npz", x=x, label=labels)
    (folder / "model.toml").write_text(
        'name = "toy"\nversion = "1.0.0"\nonnx = "model.onnx"\ntargets = ["simd"]\n'
        f"labels = {json.dumps(CLASSES)}\n"
        '[quantize]\ncalibration = "samples.npz"\n[evaluate]\ndata = "samples.npz"\nbudget = 50\n'
    )
    return folder


def _eval(capsys, folder, *more):
    code = run(["eval", "toy", "--project", str(folder), *map(str, more)])
    return code, capsys.readouterr()


def test_json(project, capsys):
    code, streams = _eval(capsys, project, "--json")
    assert code == 0, streams.err
    found = json.loads(streams.out)
    assert found["samples"] == COUNT
    assert found["float"] == pytest.approx(0.9)
    assert found["drop_points"] == pytest.approx(100 * (found["float"] - found["module"]))
    assert found["reference"]["equal"] is True
    assert found["reference"]["samples"] == COUNT
    assert found["reference"]["accuracy"] == pytest.approx(found["module"])
    assert [c["name"] for c in found["classes"]] == list(CLASSES)
    assert sum(c["samples"] for c in found["classes"]) == COUNT
    right = sum(c["samples"] * c["module"] for c in found["classes"])
    assert right / COUNT == pytest.approx(found["module"])
    names = [layer["name"] for layer in found["layers"]]
    assert names == ["/second", "/first"]
    assert all(5 < layer["sqnr_db"] < 80 for layer in found["layers"])
    assert math.isfinite(found["layers"][0]["sqnr_db"])


def test_the_page(project, capsys):
    code, streams = _eval(capsys, project)
    assert code == 0
    assert "as the module, bit for bit" in streams.out
    assert "WORST LAYERS" in streams.out
    assert streams.out.splitlines()[-1] == "within the budget of 50 points"


def test_over_the_budget(project, capsys):
    """Values far outside of what calibration saw: the module saturates, the float model does not."""
    session = ort.InferenceSession(project / "model.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(6).standard_normal((COUNT, 1, 5)).astype(np.float32) * 8
    labels = np.array([int(np.argmax(session.run(None, {"x": sample})[0])) for sample in x])
    other = project.parent / "other.npz"
    np.savez(other, x=x, label=labels)
    text = (project / "model.toml").read_text()
    (project / "model.toml").write_text(text.replace("budget = 50", "budget = 10"))
    code, streams = _eval(capsys, project, "--data", other)
    assert code == 1
    assert "60 samples of other.npz" in streams.out
    assert "over the budget of 10 points" in streams.out


def test_without_data(project, capsys):
    text = (project / "model.toml").read_text()
    (project / "model.toml").write_text(text.split("[evaluate]")[0])
    code, streams = _eval(capsys, project)
    assert code == 3
    assert "--data" in streams.err
