"""The compiler as a backend of the `onnx` package's own test suite."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep

from controller.compiler import compile_model
from controller.compiler.execute import Instance


class WasmModule(BackendRep):
    """A compiled model in wasmtime. The host copies bytes, nothing else."""

    def __init__(self, model: onnx.ModelProto) -> None:
        constants = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [value.name for value in model.graph.input if value.name not in constants]
        self._outputs = [value.name for value in model.graph.output]
        self._instance = Instance(compile_model(model).wasm)

    def run(self, inputs: Sequence[np.ndarray], **_: object) -> tuple[np.ndarray, ...]:
        """One inference; every input must have exactly the type and shape that the module says."""
        given = dict(zip(self._inputs, inputs, strict=True))
        for tensor in self._instance.meta.inputs:
            kind, shape = given[tensor.name].dtype.name, given[tensor.name].shape
            assert (kind, shape) == (tensor.dtype, tensor.shape), f"{tensor.name} is {kind}{list(shape)}"
        outputs = self._instance.run(given)
        return tuple(outputs[name] for name in self._outputs)


class WasmBackend(Backend):
    """Compiles without seeing inputs.

    Attributes:
        prepared: The module of the case that ran last.
    """

    prepared: ClassVar[WasmModule | None] = None

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **_: object) -> WasmModule:  # noqa: ARG003 - the suite's signature
        """Compile a model."""
        cls.prepared = None
        cls.prepared = WasmModule(model)
        return cls.prepared

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """The suite asks for CPU and for CUDA."""
        return device == "CPU"
