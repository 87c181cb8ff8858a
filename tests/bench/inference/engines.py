"""Ways to run a model from Python, each called once for an inference: float32 in, float32 out."""

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import onnxruntime

from controller.compiler import Instance
from device_agent.runner.engine import Engine
from device_agent.runner.tensor import Tensor
from protocol.module import TensorMeta
from tests.bench.inference.models import Prepared


class Timed(Protocol):
    """An engine with a model in it."""

    output: np.ndarray
    """Result of the model's input, for comparison."""

    def seconds(self, count: int) -> float:
        """Time of one inference, the mean of `count` in succession."""


class Called:
    """One call of a Python function an inference.

    Args:
        infer: The function.
        prepare: Called before it is timed.
    """

    def __init__(self, infer: Callable[[], np.ndarray], prepare: Callable[[], object] | None = None) -> None:
        self._infer = infer
        self._prepare = prepare or infer
        self.output = infer()

    def seconds(self, count: int) -> float:
        infer = self._infer
        self._prepare()
        start = time.perf_counter()
        for _ in range(count):
            infer()
        return (time.perf_counter() - start) / count


class Looped:
    """A loop that does not come back to Python for each inference."""

    def __init__(self, loop: Callable[[int], object], output: np.ndarray) -> None:
        self._loop = loop
        self.output = output

    def seconds(self, count: int) -> float:
        start = time.perf_counter()
        self._loop(count)
        return (time.perf_counter() - start) / count


def onnxruntime_int8(model: Prepared) -> Timed:
    """onnxruntime on the CPU, one thread, the quantized model."""
    return _onnxruntime(str(model.int8_onnx), model.values())


def onnxruntime_float(model: Prepared) -> Timed:
    """The same with the float model."""
    return _onnxruntime(str(model.float_onnx), model.values())


def _onnxruntime(path: str, values: np.ndarray) -> Timed:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return Called(lambda: session.run(names, {"x": values})[0])


def _tensor(meta: TensorMeta) -> Tensor:
    return Tensor(meta.name, meta.dtype, tuple(meta.shape), meta.scale, meta.zero_point or 0)


def wasmtime_agent(model: Prepared) -> Timed:
    """wasmtime through the very class that serves in the agent's runner process."""
    meta = model.compiled.meta
    tensors = {"inputs": [_tensor(t) for t in meta.inputs], "outputs": [_tensor(t) for t in meta.outputs]}
    engine = Engine(model.compiled.wasm, None, tensors, [], relaxed=meta.target == "relaxed")
    inputs = {meta.inputs[0].name: model.values().tobytes()}
    (name,) = (tensor.name for tensor in meta.outputs)
    return Called(lambda: np.frombuffer(engine.run(inputs, reset=False)[name].data, np.float32))


def wasmtime_inside(model: Prepared) -> Timed:
    """`run` called by a loop that is itself Wasm."""
    instance = Instance(model.compiled.wasm)
    inputs = instance.quantize({model.compiled.meta.inputs[0].name: model.values()})
    (output,) = instance.dequantize(instance.run(inputs)).values()
    driver = instance.driven(inputs)
    return Looped(driver.whole, output)
