"""What a program of PyTorch is called, and what is said where torch is not installed."""

import importlib

import pytest

from controller.cli.programs import program_name
from controller.compiler import TorchError, from_torch


@pytest.mark.parametrize(
    ("given", "yes"),
    [
        ("net.pt2", True),
        ("a/b.pt2", True),
        ("networks:ds_cnn", True),
        ("package.networks:make", True),
        ("model.onnx", False),
        ("crop-model", False),
        ("C:\\models\\net.onnx", False),
        ("networks:", False),
        (":make", False),
    ],
)
def test_what_is_a_program(given, yes):
    assert from_torch.is_torch(given) is yes


def test_names():
    assert program_name("package.networks:DS_CNN") == "ds-cnn"
    assert program_name("some/My Net.pt2") == "my-net"


def test_without_torch(monkeypatch):
    def missing(name):
        raise ImportError(name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(TorchError, match="not installed here: onnxscript") as caught:
        from_torch.export("net.pt2", {})
    assert "pip install torch" in caught.value.remedy
