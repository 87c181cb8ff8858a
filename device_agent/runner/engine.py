"""A module in wasmtime: loading, running, and saying in which layer a run ended."""

import contextlib
import ctypes
import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import wasmtime
from wasmtime import TrapCode

from device_agent.runner.border import Border, Placed
from device_agent.runner.calls import prepared
from device_agent.runner.quantize import NUMPY_TYPES, Array, canonical, dequantize, quantize
from device_agent.runner.tensor import Tensor
from device_agent.runner.wire import Output

_TRAPS = {
    TrapCode.STACK_OVERFLOW: "stack overflow",
    TrapCode.MEMORY_OUT_OF_BOUNDS: "out of bounds",
    TrapCode.TABLE_OUT_OF_BOUNDS: "table index out of bounds",
    TrapCode.INDIRECT_CALL_TO_NULL: "call of a null function",
    TrapCode.BAD_SIGNATURE: "call with a wrong signature",
    TrapCode.INTEGER_OVERFLOW: "integer overflow",
    TrapCode.INTEGER_DIVISION_BY_ZERO: "division by zero",
    TrapCode.BAD_CONVERSION_TO_INTEGER: "conversion of a float that is no integer",
    TrapCode.UNREACHABLE: "unreachable code",
}


class EngineError(Exception):
    """A module could not be loaded or run; `layer` is the index of the layer, if one was running."""

    def __init__(self, code: str, text: str, layer: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.layer = layer


def new_engine(*, relaxed: bool = False) -> wasmtime.Engine:
    """An engine without fuel and epochs, which would cost more than half of the speed.

    Args:
        relaxed: Whether it takes relaxed SIMD, whose results may differ between CPUs: only for modules of the
            target that is made of what does not differ.
    """
    config = wasmtime.Config()
    config.wasm_relaxed_simd = relaxed
    # Images of memory are files without a name, which the sandbox forbids; modules' data are small.
    config.memory_init_cow = False
    return wasmtime.Engine(config)


def load_module(
    engine: wasmtime.Engine, wasm: bytes, code: bytes | None
) -> tuple[wasmtime.Module, bytes | None]:
    """Deserialize `code`, or compile `wasm` if there is none or it is of other settings.

    Returns:
        The module, and its compiled form if it was compiled.

    Raises:
        WasmtimeError: the module is not valid.
    """
    if code is not None:
        with contextlib.suppress(wasmtime.WasmtimeError):
            return wasmtime.Module.deserialize(engine, code), None
    module = wasmtime.Module(engine, wasm)
    return module, bytes(module.serialize())


class Engine:
    """One instance of one module. Not for use by several threads, except `running_layer`."""

    def __init__(
        self,
        wasm: bytes,
        code: bytes | None,
        tensors: dict[str, list[Tensor]],
        layers: list[list[Any]],
        *,
        relaxed: bool = False,
    ) -> None:
        """Load a module.

        Args:
            wasm: The module.
            code: Its compiled form, if it is known; trusted.
            tensors: `inputs` and `outputs`.
            layers: Offset, size and dtype of each layer's output.
            relaxed: Whether the module is for target `relaxed`.

        Raises:
            EngineError: it cannot be compiled or instantiated.
        """
        self._engine = new_engine(relaxed=relaxed)
        try:
            self._module, self._compiled = load_module(self._engine, wasm, code)
        except wasmtime.WasmtimeError as error:
            raise EngineError("load", f"the engine refuses the module: {_first_line(error)}") from error
        self._inputs, self._outputs = tensors["inputs"], tensors["outputs"]
        self._layers = layers
        self._instantiate()

    def take_compiled(self) -> bytes | None:
        """The compiled form, if the module had to be compiled; given once, for it is large."""
        compiled, self._compiled = self._compiled, None
        return compiled

    def _instantiate(self) -> None:
        self._store = wasmtime.Store(self._engine)
        try:
            exports = wasmtime.Instance(self._store, self._module, []).exports(self._store)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise EngineError("load", f"the module cannot be instantiated: {_first_line(error)}") from error
        self._exports: dict[str, Any] = {name: exports[name] for name in (*exports,)}
        memory = self._exports["memory"]
        # The memory never grows (protocol.module.check), so one view serves as long as the instance.
        self._memory = np.frombuffer(memory.get_buffer_ptr(self._store), dtype=np.uint8)
        self._run = prepared(self._store, self._exports["run"])
        inputs = [self._placed("input", i, t) for i, t in enumerate(self._inputs)]
        outputs = [self._placed("output", i, t) for i, t in enumerate(self._outputs)]
        self._at_inputs = [placed.region for placed in inputs]
        self._at_outputs = [placed.region for placed in outputs]
        self._border = Border(self._engine, self._store, self._exports, inputs, outputs)
        self._enter = [_entry(t, at) for t, at in zip(self._inputs, self._border.given, strict=True)]
        self._leave = [_exit(t, at) for t, at in zip(self._outputs, self._border.taken, strict=True)]

    def _placed(self, function: str, index: int, tensor: Tensor) -> Placed:
        start = self._call(function, index)
        if not 0 <= start <= len(self._memory) - tensor.nbytes:
            raise EngineError("load", f"{function} {tensor.name} lies outside the module's memory")
        return Placed(tensor, start, self._memory[start : start + tensor.nbytes])

    def _call(self, function: str, *arguments: int) -> int:
        try:
            value = self._exports[function](self._store, *arguments)
        except wasmtime.Trap as trap:
            raise self._trapped(trap) from trap
        return int(value or 0)

    def _infer(self, run: Callable[[], int]) -> int:
        try:
            return run()
        except wasmtime.Trap as trap:
            raise self._trapped(trap) from trap

    def _trapped(self, trap: wasmtime.Trap) -> EngineError:
        layer = self.running_layer()
        self._instantiate()
        return EngineError("trap", _describe(trap), layer)

    def running_layer(self) -> int:
        """The global `fleet_layer`.

        Another thread calls this only when the process is about to be killed for being late: the
        read races with the run, and nothing but a diagnosis depends on it.
        """
        return int(self._exports["fleet_layer"].value(self._store))

    def run(self, inputs: dict[str, bytes], *, reset: bool) -> dict[str, Output]:
        """One inference; float32 where a tensor has a scale.

        Raises:
            EngineError: an input is missing, of a wrong size, or not finite and so is an output; a trap; a
                non-finite output of finite inputs.
        """
        self._give(inputs)
        if reset:
            self._reset()
        if self._infer(self._border.run) != 0:
            raise self._nonfinite(lambda: self._enter_again(inputs))
        return {
            tensor.name: Output(shape, leave(math.prod(shape)))
            for tensor, shape, leave in zip(self._outputs, self._shapes(), self._leave, strict=True)
        }

    def _shapes(self) -> list[tuple[int, ...]]:
        """Of the outputs of the last run."""
        if "output_dims" not in self._exports:
            return [tensor.shape for tensor in self._outputs]
        shapes = []
        for index, tensor in enumerate(self._outputs):
            at, rank = self._call("output_dims", index), len(tensor.shape)
            shape = tuple(self._memory[at : at + 4 * rank].view("<i4").tolist())
            if len(shape) != rank or min(shape, default=0) < 0 or math.prod(shape) > tensor.elements:
                raise EngineError("trap", f"output {tensor.name} is {list(shape)}, not {list(tensor.shape)}")
            shapes.append(shape)
        return shapes

    def _reset(self) -> None:
        if "reset" in self._exports:
            self._call("reset")

    def _give(self, inputs: dict[str, bytes]) -> None:
        for tensor, enter in zip(self._inputs, self._enter, strict=True):
            data = inputs.get(tensor.name)
            if data is None:
                raise EngineError("input", f"input {tensor.name} is missing")
            if len(data) != tensor.given_bytes:
                raise EngineError(
                    "input", f"input {tensor.name} has {len(data)} bytes, {tensor.given_bytes} are needed"
                )
            enter(data)

    def _enter_again(self, inputs: dict[str, bytes]) -> None:
        self._give(inputs)
        self._border.enter()

    def _write(self, inputs: list[Array]) -> None:
        for region, data in zip(self._at_inputs, inputs, strict=True):
            region[:] = data

    def _nonfinite(self, enter: Callable[[], None]) -> EngineError:
        """What to say of a run whose output is not finite: the input or the layer in which that begins.

        Args:
            enter: Writes the inputs of that run.
        """
        # Layers are run once more, on the same inputs; what the run left, state above all, is put back.
        left = self._memory.copy()
        layer = self.running_layer()
        try:
            enter()
            bad = self._nonfinite_input()
            found = None if bad else self._first_nonfinite()
        except EngineError as error:
            return error
        self._memory[:] = left
        if bad:
            return EngineError("input", f"input {bad} has a NaN or an infinity, and so has an output")
        return EngineError("nonfinite", "an output is not a finite number", layer if found is None else found)

    def _nonfinite_input(self) -> str | None:
        names = zip(self._inputs, self._at_inputs, strict=True)
        return next((t.name for t, region in names if not _finite(t.dtype, region)), None)

    def _first_nonfinite(self) -> int | None:
        """The first layer that makes a NaN; if none does, the first that makes an infinity."""
        infinite = None
        for index, (offset, size, dtype) in enumerate(self._layers):
            self._call("run_layer", index)
            output = self._memory[offset : offset + size]
            if not _finite(dtype, output):
                if np.isnan(_floats(dtype, output)).any():
                    return index
                infinite = index if infinite is None else infinite
        return infinite

    def write(self, inputs: list[bytes]) -> None:
        """Reset the state, and write inputs in the module's own types."""
        self._reset()
        for tensor, region, data in zip(self._inputs, self._at_inputs, inputs, strict=True):
            if len(data) != len(region):
                raise EngineError(
                    "input", f"golden input {tensor.name} has {len(data)} bytes, not {len(region)}"
                )
        self._write([np.frombuffer(data, np.uint8) for data in inputs])

    def golden(self, inputs: list[bytes]) -> bytes:
        """SHA-256 of the outputs for inputs in the module's own types."""
        self.write(inputs)
        if self._infer(self._run) != 0:
            raise self._nonfinite(lambda: self._write([np.frombuffer(data, np.uint8) for data in inputs]))
        digest = hashlib.sha256()
        for tensor, shape, region in zip(self._outputs, self._shapes(), self._at_outputs, strict=True):
            size = math.prod(shape) * np.dtype(NUMPY_TYPES[tensor.dtype]).itemsize
            digest.update(canonical(region[:size].tobytes(), tensor.dtype))
        # What is served next is a sequence of its own.
        self._reset()
        return digest.digest()

    def beside(self, text: str) -> Callable[..., None]:
        """Instantiate a module that drives this one.

        Args:
            text: It imports `run_layer` and `run`.

        Returns:
            Calls an export of it, by name; raises EngineError with the layer if that traps.
        """
        imports = [self._exports["run_layer"], self._exports["run"]]
        exports = wasmtime.Instance(self._store, wasmtime.Module(self._engine, text), imports).exports(
            self._store
        )
        functions: dict[str, Any] = {name: exports[name] for name in (*exports,)}

        def call(name: str, *arguments: int) -> None:
            try:
                functions[name](self._store, *arguments)
            except wasmtime.Trap as trap:
                raise EngineError("trap", _describe(trap), self.running_layer()) from trap

        return call

    def trace(self, inputs: list[bytes]) -> list[bytes]:
        """Eight-byte digest of every layer's output, layer after layer."""
        self.write(inputs)
        digests = []
        for index, (offset, size, dtype) in enumerate(self._layers):
            self._call("run_layer", index)
            output = canonical(self._memory[offset : offset + size].tobytes(), dtype)
            digests.append(hashlib.sha256(output).digest()[:8])
        return digests


def _floats(dtype: str, data: Array) -> Array:
    kind = np.dtype(NUMPY_TYPES[dtype])
    return data[: len(data) // kind.itemsize * kind.itemsize].view(kind)


def _finite(dtype: str, data: Array) -> bool:
    return not dtype.startswith("float") or bool(np.isfinite(_floats(dtype, data)).all())


def _entry(tensor: Tensor, place: Array) -> Callable[[bytes], object]:
    """Writes an input as applications give it to its place."""
    if tensor.scale is not None and not tensor.is_bytes:
        scale, zero_point, dtype = tensor.scale, tensor.zero_point, tensor.dtype

        def convert(data: bytes) -> None:
            place[:] = quantize(np.frombuffer(data, "<f4"), scale, zero_point, dtype).view(np.uint8)

        return convert
    address = place.ctypes.data
    return lambda data: ctypes.memmove(address, data, len(data))


def _exit(tensor: Tensor, place: Array) -> Callable[[int], bytes]:
    """Reads the first elements of an output as applications get them."""
    if tensor.scale is None or tensor.is_bytes:
        size = tensor.given_bytes // max(tensor.elements, 1)
        return lambda count: place[: count * size].tobytes()
    values, scale, zero_point = place.view(NUMPY_TYPES[tensor.dtype]), tensor.scale, tensor.zero_point
    return lambda count: dequantize(values[:count], scale, zero_point).tobytes()


def _describe(trap: wasmtime.Trap) -> str:
    try:
        code = trap.trap_code
    except ValueError:
        code = None
    return _TRAPS.get(code, _first_line(trap)) if code is not None else _first_line(trap)


def _first_line(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error)
    return str(text).strip().partition("\n")[0]
