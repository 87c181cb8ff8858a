"""Runs a compiled module in wasmtime, as an agent does, for checks and measurements on the desk."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import cast

import numpy as np
import wasmtime

from controller.compiler.host_kernels import HostKernels
from controller.compiler.ir import FLOAT, Array, Quant
from controller.compiler.quantize.functions import dequantize_array, quantize_array
from controller.compiler.trap import LayerTrap
from protocol.module import ModuleError, TensorMeta, read_meta
from protocol.profiling import DRIVER

RUN_OK, RUN_NONFINITE = 0, 1


@cache
def _engine() -> wasmtime.Engine:
    return wasmtime.Engine()


class Instance:
    """One instance of a module; not to be shared between threads.

    Args:
        wasm: A module from `build`.

    Raises:
        ModuleError: The file is no module of ours.
    """

    def __init__(self, wasm: bytes) -> None:
        self.meta = read_meta(wasm)
        self._store = wasmtime.Store(_engine())
        try:
            module = wasmtime.Module(_engine(), wasm)
            host = HostKernels(wasm, self.meta)
            imports = [host.function(self._store, item) for item in module.imports]
            self._instance = wasmtime.Instance(self._store, module, imports)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise ModuleError(f"the module is not valid WebAssembly: {reason}") from error
        exports = self._instance.exports(self._store)
        self._memory = cast(wasmtime.Memory, exports["memory"])
        self._layer = cast(wasmtime.Global, exports["fleet_layer"])
        self._inputs = [self._call("input", index) for index in range(len(self.meta.inputs))]
        self._outputs = [self._call("output", index) for index in range(len(self.meta.outputs))]

    def _call(self, name: str, *arguments: int) -> int:
        function = cast(wasmtime.Func, self._instance.exports(self._store)[name])
        try:
            # `reset` gives nothing.
            return int(function(self._store, *arguments) or 0)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise LayerTrap(self.meta, self.layer, error) from error

    @property
    def layer(self) -> int:
        """The layer that ran last, -1 before the first."""
        return int(self._layer.value(self._store))

    @property
    def places(self) -> tuple[list[int], list[int]]:
        """Addresses of the inputs and of the outputs."""
        return list(self._inputs), list(self._outputs)

    def _write(self, inputs: Mapping[str, Array]) -> None:
        for tensor, pointer in zip(self.meta.inputs, self._inputs, strict=True):
            value = np.asarray(inputs[tensor.name], np.dtype(tensor.dtype))
            if value.shape != tensor.shape:
                raise ValueError(f"input {tensor.name} has shape {value.shape}, not {tensor.shape}")
            self._memory.write(self._store, bytearray(value.tobytes()), pointer)

    def read(self, pointer: int, nbytes: int) -> bytes:
        """Bytes of the module's memory."""
        return bytes(self._memory.read(self._store, pointer, pointer + nbytes))

    def _read_outputs(self) -> dict[str, Array]:
        outputs = {}
        for index, (tensor, pointer) in enumerate(zip(self.meta.outputs, self._outputs, strict=True)):
            dtype, shape = np.dtype(tensor.dtype), self._shape(index, tensor)
            raw = self.read(pointer, math.prod(shape) * dtype.itemsize)
            outputs[tensor.name] = np.frombuffer(raw, dtype).reshape(shape)
        return outputs

    def _shape(self, index: int, tensor: TensorMeta) -> tuple[int, ...]:
        """Of an output of the last run: smaller than declared where it depends on data."""
        if self._instance.exports(self._store).get("output_dims") is None:
            return tensor.shape
        raw = self.read(self._call("output_dims", index), 4 * len(tensor.shape))
        shape = tuple(np.frombuffer(raw, np.int32).tolist())
        if any(size < 0 for size in shape) or math.prod(shape) > math.prod(tensor.shape):
            raise ModuleError(
                f"output {tensor.name} is {list(shape)}, the module declares {list(tensor.shape)} at most"
            )
        return shape

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One inference.

        Args:
            inputs: An array for each input, of the module's type and shape.

        Returns:
            The outputs by name, at the module's types, as large as the data made them. Non-finite ones are
            returned as they are.

        Raises:
            LayerTrap: The module trapped.
            ModuleError: It contradicts itself.
        """
        self._write(inputs)
        self._call("run")
        return self._read_outputs()

    def reset(self) -> None:
        """Make the next run the first: state is zeros again, if there is any."""
        if self.meta.state is not None:
            self._call("reset")

    def is_finite(self, inputs: Mapping[str, Array]) -> bool:
        """Whether `run` reports finite outputs for these inputs."""
        self._write(inputs)
        return self._call("run") == RUN_OK

    def run_layers(self, inputs: Mapping[str, Array]) -> Iterator[tuple[int, bytes]]:
        """One inference, layer by layer: the index of each and the bytes of its output as they lie in memory.

        Raises:
            LayerTrap: The module trapped.
        """
        self._write(inputs)
        for index, layer in enumerate(self.meta.layers):
            self._call("run_layer", index)
            yield index, self.read(layer.offset, layer.size)

    def first_nonfinite(self, inputs: Mapping[str, Array]) -> int | None:
        """The first layer that makes a NaN; if none does, the first that makes an infinity; else None.

        Raises:
            LayerTrap: The module trapped.
        """
        infinite = None
        for index, raw in self.run_layers(inputs):
            dtype = np.dtype(self.meta.layers[index].dtype)
            values = np.frombuffer(raw, dtype)
            if dtype.kind == "f" and not np.isfinite(values).all():
                if np.isnan(values).any():
                    return index
                infinite = index if infinite is None else infinite
        return infinite

    def driven(self, inputs: Mapping[str, Array]) -> "Driver":
        """This instance as `protocol.profiling.measure` wants it; each round begins from reset state.

        Args:
            inputs: An array for each input, of the module's type and shape.
        """
        exports = self._instance.exports(self._store)
        driver = wasmtime.Instance(
            self._store, wasmtime.Module(_engine(), DRIVER), [exports["run_layer"], exports["run"]]
        )

        def prepare() -> None:
            self.reset()
            self._write(inputs)

        return Driver(driver, self._store, prepare)

    def quantize(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Inputs as people see them, at the module's types."""
        return {
            t.name: quantize_array(inputs[t.name], _quant(t))
            if t.scale is not None
            else np.asarray(inputs[t.name], t.dtype)
            for t in self.meta.inputs
        }

    def dequantize(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs of the module as people see them: float32 where they are quantized."""
        return {
            t.name: dequantize_array(outputs[t.name], _quant(t)).astype(FLOAT)
            if t.scale is not None
            else outputs[t.name]
            for t in self.meta.outputs
        }


class Driver:
    """Runs layers of an instance some times in succession; made by `Instance.driven`."""

    def __init__(
        self, instance: wasmtime.Instance, store: wasmtime.Store, prepare: Callable[[], None]
    ) -> None:
        exports = instance.exports(store)
        self._layer, self._whole = (cast(wasmtime.Func, exports[name]) for name in ("layer", "whole"))
        self._store = store
        self.prepare = prepare

    def layer(self, index: int, times: int) -> None:
        """Run a layer that many times; with 0 nothing is run."""
        self._layer(self._store, index, times)

    def whole(self, times: int) -> None:
        """Run the model that many times; with 0 nothing is run."""
        self._whole(self._store, times)


def _quant(tensor: TensorMeta) -> Quant:
    return Quant.per_tensor(tensor.scale or 1.0, tensor.zero_point or 0)
