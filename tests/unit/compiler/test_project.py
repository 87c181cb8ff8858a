"""model.toml: what is accepted, and what a wrong one is told."""

from pathlib import Path

import pytest

from controller.compiler import ModelProject, ProjectError

GOOD = 'name = "leaf"\nversion = "1.0.0"\nonnx = "leaf.onnx"\n'


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(text)
    return folder


def refused(folder: Path) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        ModelProject.load(folder)
    assert caught.value.remedy
    return caught.value


def test_defaults(tmp_path):
    project = ModelProject.load(write(tmp_path, GOOD))
    assert project.is_float
    assert (project.targets, project.limits.deadline_ms) == (["simd", "mvp"], 1000)
    assert project.path("leaf.onnx") == tmp_path.resolve() / "leaf.onnx"


def test_found_by_name_above_the_working_directory(tmp_path, monkeypatch):
    write(tmp_path / "modules" / "leaf", GOOD)
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert ModelProject.load("leaf").name == "leaf"
    with pytest.raises(ProjectError, match="no model project leef") as caught:
        ModelProject.load("leef")
    assert caught.value.remedy == "did you mean leaf?"


def test_given_by_folder(tmp_path):
    folder = write(tmp_path / "elsewhere", GOOD)
    assert ModelProject.load("leaf", folder).name == "leaf"
    with pytest.raises(ProjectError, match="is the project of leaf, not of tree"):
        ModelProject.load("tree", folder)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (GOOD + "colour = 1\n", "colour: no such key"),
        (GOOD + '[quantize]\ncalibratoin = "c.npz"\n', "did you mean calibration?"),
        (GOOD.replace("leaf", "Leaf", 1), "name"),
        (GOOD + 'targets = ["avx"]\n', "unknown target"),
        (GOOD + "targets = []\n", "targets"),
        (GOOD + "[shapes]\nx = [1, 0]\n", "shapes.x.1"),
        (GOOD + '[quantize]\nmethod = "best"\n', "quantize.method"),
        (GOOD + "[evaluate]\nbudget = 1\n", "evaluate.data"),
        (GOOD + '[state]\nh = "hn"\n[evaluate]\ndata = "e.npz"\n', "samples do not tell what state"),
        (GOOD + '[state]\nh = "hn"\n[quantize]\ncalibration = "c.npz"\n', "samples do not tell what state"),
        ('name = "leaf"\nversion = "1.0.0"\n', "where the ONNX file is"),
        (GOOD + '[source]\npackage = "p==1"\nmember = "m"\nsha256 = "' + "0" * 64 + '"\n', "one of them"),
        (GOOD + '[quantize]\nmethod = "mse"\n', "names no calibration data"),
        (
            'name = "leaf"\nversion = "1"\n[source]\npackage = "p; rm"\nmember = "m"\nsha256 = "0"\n',
            "source.package",
        ),
        ("name = \n", "cannot read model.toml"),
    ],
)
def test_each_mistake_is_named(tmp_path, text, part):
    assert part in str(refused(write(tmp_path, text)))


def test_float_needs_no_calibration(tmp_path):
    assert ModelProject.load(write(tmp_path, GOOD + "[quantize]\nfloat = true\n")).is_float
