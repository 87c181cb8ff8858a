"""float32 for applications, 8 bits in the module: both conversions as Wasm around `run`, in one call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import wasmtime

from device_agent.runner import conversions
from device_agent.runner.calls import prepared
from device_agent.runner.quantize import Array
from device_agent.runner.tensor import Tensor

_PAGE = 65536
# `run` of the module is called where inputs are in place; outputs are left as they are unless it returns 0.
_MODULE = """
(module
  (import "module" "memory" (memory $module 0))
  (import "module" "run" (func $run (result i32)))
  (memory $own (export "memory") {pages})
{functions}
  (func $enter (export "enter")
{enter})
  (func (export "run") (result i32)
    (local $status i32)
    (call $enter)
    (if (local.tee $status (call $run)) (then (return (local.get $status))))
{leave}
    (i32.const 0)))
"""


@dataclass(frozen=True)
class Placed:
    """A tensor in a module's memory.

    Attributes:
        address: Its first byte.
        region: Its bytes.
    """

    tensor: Tensor
    address: int
    region: Array

    def quantize(self, at: int) -> str:
        """The call that makes its bytes of floats at `at`."""
        limits, zero = np.iinfo(self.tensor.dtype), self.tensor.zero_point
        bounds = (f"(f32.const {bound - zero})" for bound in (limits.min, limits.max))
        return self._call("quantize", at, f"(i32.const {conversions.ROUND - zero})", *bounds)

    def dequantize(self, at: int) -> str:
        """The call that makes floats at `at` of its bytes."""
        return self._call("dequantize", at, f"(i32.const {self.tensor.zero_point})")

    def _call(self, function: str, at: int, *more: str) -> str:
        scale = float(np.float32(self.tensor.scale or 0)).hex()
        places = f"(i32.const {at}) (i32.const {self.address}) (i32.const {self.tensor.elements})"
        words = (f"${function}_{self.tensor.dtype}", places, f"(f32.const {scale})", *more)
        return f"    (call {' '.join(words)})"


class Border:
    """The way into one instance of a module and out of it.

    Args:
        engine: Compiles the conversions.
        store: Where the instance lives.
        exports: Of the instance.
        inputs: All of them; those of 8 bits with a scale are converted.
        outputs: Likewise.

    Attributes:
        given: For each input where the application's bytes go; once converted they are gone.
        taken: For each output where the application's bytes are after `run`.
        run: Converts, runs the module, and converts; returns what the module's `run` does.
        enter: Converts the inputs only.
    """

    def __init__(
        self,
        engine: wasmtime.Engine,
        store: wasmtime.Store,
        exports: Mapping[str, Any],
        inputs: Sequence[Placed],
        outputs: Sequence[Placed],
    ) -> None:
        places: dict[int, int] = {}
        size = 0
        for number, placed in enumerate((*inputs, *outputs)):
            if placed.tensor.is_bytes:
                places[number] = size
                size += 4 * _padded(placed.tensor.elements)
        enter, leave = [], []
        for number, at in places.items():
            placed = (*inputs, *outputs)[number]
            if number < len(inputs):
                enter.append(placed.quantize(at))
            else:
                leave.append(placed.dequantize(at))
        module = _compile(engine, -(-size // _PAGE), "\n".join(enter), "\n".join(leave))
        instance = wasmtime.Instance(store, module, [exports["memory"], exports["run"]])
        own_exports: dict[str, Any] = dict(instance.exports(store))
        own = np.frombuffer(own_exports["memory"].get_buffer_ptr(store), np.uint8)
        rooms = [
            own[places[number] : places[number] + placed.tensor.given_bytes]
            if number in places
            else placed.region
            for number, placed in enumerate((*inputs, *outputs))
        ]
        self.given, self.taken = rooms[: len(inputs)], rooms[len(inputs) :]
        self.run = prepared(store, own_exports["run"])
        self.enter: Callable[[], None] = lambda: own_exports["enter"](store)


def _compile(engine: wasmtime.Engine, pages: int, enter: str, leave: str) -> wasmtime.Module:
    """The module around the module; without SIMD where the engine has none for this processor."""

    def compiled(functions: str) -> wasmtime.Module:
        text = _MODULE.format(pages=pages, functions=functions, enter=enter, leave=leave)
        return wasmtime.Module(engine, text)

    try:
        return compiled(conversions.SIMD)
    except wasmtime.WasmtimeError:
        return compiled(conversions.SCALAR)


def _padded(elements: int) -> int:
    # A round is done even for no element.
    return max(-(-elements // conversions.LANES), 1) * conversions.LANES
