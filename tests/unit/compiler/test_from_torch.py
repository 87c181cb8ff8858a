"""What a program of PyTorch is called, and what is said where torch is not installed."""

import importlib
import importlib.util

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


@pytest.mark.parametrize("missing", [["torch", "onnxscript"], ["torch"], ["onnxscript"]], ids=" and ".join)
def test_packages_that_are_not_installed(monkeypatch, missing):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else name)
    with pytest.raises(TorchError) as caught:
        from_torch.export("net.pt2", {})
    assert caught.value.what.endswith(f"not installed here: {' and '.join(missing)}")
    assert caught.value.remedy.startswith(f"pip install {' '.join(missing)}, or export to ONNX")


def test_torch_that_cannot_be_imported(monkeypatch):
    def broken(name):
        raise ImportError("libcudart.so: no such file", name=name)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(TorchError, match="cannot be imported: libcudart"):
        from_torch.export("net.pt2", {})
