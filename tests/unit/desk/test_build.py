"""`fleet build`: stages on stderr, the sentence on stdout, files where they were asked for."""

from types import SimpleNamespace

import pytest

from controller.cli import build_screen, making
from controller.cli.build_screen import BuildScreen
from controller.cli.parse import shapes
from controller.compiler import ProjectError
from protocol.errors import InputError
from tests.unit.desk import modules
from tests.unit.desk.conftest import Terminal


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "model.toml").write_text('name = "toy"\nversion = "1.0.0"\nonnx = "toy.onnx"\n')
    (folder / "toy.onnx").write_bytes(b"onnx")

    def compile_project(*_, progress, **__):
        for stage, detail, seconds in (
            ("read", "toy.onnx  sha256:77ab…  2 nodes, opset 17", 0.01),
            ("compile", "simd   49.3 KiB", 0.9),
            ("compile", "mvp    49.3 KiB", 0.0),
        ):
            progress.begin(stage)
            progress.advance(stage, 1, 2)
            progress.end(stage, detail, seconds)
        return modules.build()

    monkeypatch.setattr(making, "compile_project", compile_project)
    monkeypatch.setattr(making, "golden_inputs", lambda *_: [])
    return folder


def test_stages_and_the_sentence(fleet, project):
    done = fleet("build", "toy", "--project", project)
    assert done.code == 0, done.err
    assert done.err.splitlines() == [
        "toy  toy.onnx  sha256:77ab…  2 nodes, opset 17",
        "  compile     simd   49.3 KiB   0.9 s",
        "              mvp    49.3 KiB",
    ]
    assert done.out == "built toy 1.0.0, not released yet. Next: fleet push toy --group GROUP\n"
    assert (project / "build/toy-1.0.0-simd.wasm").read_bytes() == modules.wasm()


def test_json(fleet, project, tmp_path):
    document = fleet("build", "toy", "--project", project, "--out", tmp_path / "out", "--json").json
    assert [module["target"] for module in document["modules"]] == ["simd", "mvp"]
    assert document["modules"][0]["file"] == str(tmp_path / "out/toy-1.0.0-simd.wasm")
    assert document["stages"][1] == {"stage": "compile", "detail": "simd   49.3 KiB", "seconds": 0.9}


def test_a_folder_that_cannot_be_written(fleet, project, tmp_path):
    (tmp_path / "file").write_text("")
    done = fleet("build", "toy", "--project", project, "--out", tmp_path / "file")
    assert done.code == 3
    assert "--out" in done.err


def test_an_unknown_model(fleet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = fleet("build", "no-such-model")
    assert done.code == ProjectError.exit_code
    assert "no-such-model" in done.err


def test_shapes():
    assert shapes(["image=1,3,224,224", "a=b=2"]) == {"image": (1, 3, 224, 224), "a=b": (2,)}
    assert shapes(None) is None
    for wrong in ("image", "image=", "=1", "image=1,x", "image=0"):
        with pytest.raises(InputError, match="not a shape"):
            shapes([wrong])


def test_a_long_stage_gets_a_bar_with_rate_and_time_left(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(build_screen, "time", clock)
    screen = BuildScreen("toy")
    screen.begin("calibrate")
    assert screen._picture().plain == ""
    clock.now = 1.0
    screen.advance("calibrate", 128, 512)
    assert screen._picture().plain == "  calibrate   128 of 512"
    clock.now = 4.0
    assert screen._picture().plain == "  calibrate   █████░░░░░░░░░░░░░░░  128 of 512   32/s   12 s left"
    screen.end("calibrate", "512 samples", 4.0)
    assert screen._picture().plain == ""


@pytest.mark.parametrize(("word", "points"), [("0.5%", 0.5), ("2", 2.0), ("1.25 %", 1.25), ("0", 0.0)])
def test_the_accuracy_that_may_be_lost(fleet, project, monkeypatch, word, points):
    asked = []
    plain = making.compile_project
    monkeypatch.setattr(
        making, "compile_project", lambda *a, max_drop, **k: asked.append(max_drop) or plain(*a, **k)
    )
    assert fleet("build", "toy", "--project", project, "--max-drop", word).code == 0
    assert asked == [points]


@pytest.mark.parametrize("word", ["half", "-1", "101%", "0.5 points", ""])
def test_what_is_not_a_percentage(fleet, project, word):
    done = fleet("build", "toy", "--project", project, f"--max-drop={word}")
    assert done.code == 3
    assert "--max-drop 0.5%" in done.err
