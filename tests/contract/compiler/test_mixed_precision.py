"""Layers that int8 costs too much go back to float32: those, and no others."""

import re

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from controller.cli.parse import points
from controller.compiler import CalibrationError, CheckError, ModelProject, build
from tests.unit.compiler.onnx_files import model

SEED = 5
CHANNELS = 8
CLASSES = 6
HUGE = 3000.0


def _network(planted):
    """Four layers. The weights of one hold huge values for a channel that is always zero, so that int8 has
    no bits left for the others; `planted` says which: "first", "second", or "neither"."""
    random = np.random.default_rng(SEED)
    constants = {
        "w1": random.standard_normal((CHANNELS, 4, 3, 3)) / 4,
        "b1": random.standard_normal(CHANNELS) / 4,
        "w2": random.standard_normal((CHANNELS, CHANNELS, 3, 3)) / 6,
        "b2": random.standard_normal(CHANNELS) / 6,
        "w3": random.standard_normal((CHANNELS, CLASSES)),
        "b3": np.zeros(CLASSES),
    }
    if planted == "first":
        constants["w1"][:, 0] = HUGE
    if planted == "second":
        constants["w1"][0] /= HUGE
        constants["b1"][0] = -1
        constants["w2"][:, 0] = HUGE
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="second", pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], name="head"),
    ]
    floats = {name: value.astype(np.float32) for name, value in constants.items()}
    return model(nodes, {"x": [1, 4, 6, 6]}, {"y": [1, CLASSES]}, floats)


def _samples(seed, count):
    x = np.random.default_rng(seed).standard_normal((count, 1, 4, 6, 6)).astype(np.float32)
    x[:, :, 0] = 0
    return x * np.linspace(0.2, 3, count, dtype=np.float32)[:, None, None, None, None]


@pytest.fixture
def planted(make_project):
    def make(place, *, evaluated=True):
        proto = _network(place)
        table = '[evaluate]\ndata = "evaluation.npz"\nbudget = 2.0\n' if evaluated else ""
        project = make_project(proto, extra=table)
        np.savez(project.path("calibration.npz"), x=_samples(1, 64))
        x = _samples(2, 200)
        session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        labels = [int(np.argmax(session.run(None, {"x": sample})[0])) for sample in x]
        np.savez(project.path("evaluation.npz"), x=x, label=np.array(labels))
        return project

    return make


def test_the_planted_layer_is_found_and_no_other(planted):
    made = build(planted("first"), targets=["simd"])
    assert list(made.layers_float) == ["first"]
    assert made.layers_float["first"].startswith("would cost ")
    assert {"second", "pool", "head"} <= set(made.layers_int8)
    assert made.accuracy.holds
    assert made.accuracy.form == "int8"


def test_equalization_is_enough_where_it_is(planted):
    made = build(planted("second"), targets=["simd"])
    assert not made.layers_float
    assert made.provenance["quantization"] == "minmax, equalized"
    assert made.accuracy.holds


def test_nothing_is_searched_within_the_budget(planted):
    made = build(planted("neither"), targets=["simd"])
    assert not made.layers_float
    assert made.provenance["quantization"] == "minmax"


def test_without_labels_answers_are_compared_with_the_float_models(planted):
    project = planted("first", evaluated=False)
    assert build(project, targets=["simd"]).accuracy is None
    made = build(project, targets=["simd"], max_drop=2.0)
    assert list(made.layers_float) == ["first"]
    assert not made.accuracy.labelled
    assert made.accuracy.samples == 64


def test_the_build_fails_and_names_the_layers_to_blame(planted):
    project = planted("first")
    np.savez(project.path("calibration.npz"), x=_samples(1, 64) / 1000)
    with pytest.raises(CheckError) as caught:
        build(project, targets=["simd"])
    assert "points of accuracy in int8" in caught.value.what
    assert "budget is 2" in caught.value.what
    assert "first (" in caught.value.where
    assert "--max-drop" in caught.value.remedy


def test_the_limit_that_a_failed_build_proposes_holds(planted):
    project = planted("first")
    with pytest.raises(CheckError, match=r"the budget is 0\.5") as caught:
        build(project, targets=["simd"], max_drop=0.5)
    assert "first (" in caught.value.where
    proposed = points(re.search(r"--max-drop (\S+%)", caught.value.remedy)[1])
    made = build(project, targets=["simd"], max_drop=proposed)
    assert made.accuracy.holds
    assert made.accuracy.budget == proposed
    assert list(made.layers_float) == ["first"]


def test_a_limit_of_everything_keeps_nothing(planted):
    made = build(planted("first"), targets=["simd"], max_drop=100.0)
    assert made.accuracy.holds
    assert not made.layers_float


def test_where_everything_is_float_already_nothing_can_be_lost(make_project):
    project = make_project(_network("first"), int8=False)
    assert build(project, targets=["simd"], max_drop=0.0).accuracy is None


def test_the_blame_where_no_layer_is_int8(planted):
    project = planted("first", evaluated=False)
    text = project.path("model.toml").read_text().replace("[quantize]", '[quantize]\noperators = ["Nothing"]')
    project.path("model.toml").write_text(text)
    inputs = _samples(1, 64)
    inputs[0] *= 1e6
    np.savez(project.path("calibration.npz"), x=inputs)
    with pytest.raises(CheckError) as caught:
        build(ModelProject.load(project.folder), targets=["simd"], max_drop=0.0)
    assert "the budget is 0" in caught.value.what
    assert "no layer is int8" in caught.value.where


def test_one_number_is_no_choice_between_classes(make_project):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="head")]
    proto = model(nodes, {"x": [1, 4]}, {"y": [1, 1]}, {"w": np.ones((4, 1), np.float32)})
    with pytest.raises(CalibrationError, match="output y is one number") as caught:
        build(make_project(proto), targets=["simd"], max_drop=0.5)
    assert "--max-drop" in caught.value.where


def test_a_model_that_ends_in_argmax_answers_by_its_output(planted):
    project = planted("neither")
    proto = onnx.load(project.path("model.onnx"))
    proto.graph.node.append(helper.make_node("ArgMax", ["y"], ["class"], name="answer", axis=1, keepdims=0))
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("class", onnx.TensorProto.INT64, [1]))
    onnx.save(proto, project.path("model.onnx"))
    made = build(project, targets=["simd"])
    assert made.accuracy.reference == 1
    assert 0.9 < made.accuracy.module <= 1
    assert made.accuracy.agreement == made.accuracy.module


def test_a_label_that_is_no_class(planted):
    project = planted("neither")
    with np.load(project.path("evaluation.npz")) as data:
        x, label = data["x"], data["label"]
    np.savez(project.path("evaluation.npz"), x=x, label=label + CLASSES)
    with pytest.raises(CalibrationError, match=f"output y has {CLASSES} classes"):
        build(project, targets=["simd"])
