"""Calibration and evaluation data: each way in which they can be wrong."""

import numpy as np
import pytest

from controller.compiler import CalibrationError
from controller.compiler.ir import FLOAT, Graph, Tensor
from controller.compiler.samples import load_samples

GRAPH = Graph("test", ["x"], tensors={"x": Tensor("x", FLOAT, (2, 3))})


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def refused(path, *, labelled=False):
    with pytest.raises(CalibrationError) as caught:
        load_samples(path, GRAPH, "calibration", labelled=labelled)
    assert caught.value.where == str(path)
    assert caught.value.remedy
    return caught.value.what


def test_good(tmp_path):
    path = save(tmp_path / "c.npz", x=np.zeros((10, 2, 3)), label=np.arange(10))
    samples = load_samples(path, GRAPH, "evaluation", labelled=True)
    assert len(samples) == len(list(samples)) == 10
    assert samples.arrays["x"].dtype == FLOAT
    assert len(samples.spread(4)) == 4
    assert len(samples.spread(99)) == 10
    assert list(samples.labels) == list(range(10))


def test_each_mistake_is_named(tmp_path):
    path = tmp_path / "c.npz"
    assert refused(path) == "calibration data c.npz is missing"
    path.write_bytes(b"PK nonsense")
    assert "is not an .npz file" in refused(path)
    assert "has no array x; it has image" in refused(save(path, image=np.zeros((4, 2, 3))))
    assert "is float64[4, 3, 2]; the input is float32[2, 3]" in refused(save(path, x=np.zeros((4, 3, 2))))
    assert "NaN" in refused(save(path, x=np.full((4, 2, 3), np.nan)))
    assert "empty" in refused(save(path, x=np.zeros((0, 2, 3))))
    assert "has no array label" in refused(save(path, x=np.zeros((4, 2, 3))), labelled=True)
    assert "differ in the number" in refused(
        save(path, x=np.zeros((4, 2, 3)), label=np.zeros(3)), labelled=True
    )


@pytest.mark.parametrize("label", [np.array([0, 1, 2]), np.array([[0], [1], [2]]), np.array([0.0, 1.0, 2.0])])
def test_labels_are_numbers_of_classes(tmp_path, label):
    path = save(tmp_path / "c.npz", x=np.zeros((3, 2, 3)), label=label)
    labels = load_samples(path, GRAPH, "evaluation", labelled=True).labels
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "label",
    [np.eye(3), np.array(["a", "b", "c"]), np.array([0, 1, -1]), np.array([0.0, 0.5, 1.0]), np.array(1),
     np.array([0.0, np.nan, 1.0])],
    ids=["one-hot", "names", "negative", "fractions", "one for all", "NaN"],
)  # fmt: skip
def test_labels_that_are_not(tmp_path, label):
    path = save(tmp_path / "c.npz", x=np.zeros((3, 2, 3)), label=label)
    assert "the number of the right class of each sample" in refused(path, labelled=True)


def test_an_array_of_objects_is_never_unpickled(tmp_path):
    path = save(tmp_path / "c.npz", x=np.array([{"a": 1}], dtype=object))
    assert "is not an .npz file" in refused(path)
