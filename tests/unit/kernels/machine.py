"""Calls kernels in wasmtime, on buffers between guards."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import DTypeLike, NDArray

GUARD = 64
FILL = 0xA5


def pack_params(*fields: Any) -> bytes:
    """A params struct: nested sequences of int (int32) and float (float32)."""
    packed = b""
    for field in fields:
        if isinstance(field, (float, np.floating)):
            packed += struct.pack("<f", field)
        elif isinstance(field, (int, np.integer)):
            packed += struct.pack("<i", field)
        else:
            packed += pack_params(*field)
    return packed


def _board_scratch(kernel: str, *parameters: int) -> int:
    def fours(count: int) -> int:
        return -(-count // 4) * 4

    if kernel == "fleet_depthwise_conv_s8":
        kernel_h, kernel_w, channels = parameters
        return fours(channels) + 8 * kernel_h * kernel_w
    if kernel == "fleet_conv_s8":
        _, kernel_h, kernel_w, _, channels = parameters
        return 5 * fours(kernel_h * kernel_w * channels)
    return 5 * fours(parameters[1]) if kernel == "fleet_matmul_s8" else 0


class Machine:
    """One instance of the kernel library of a target."""

    def __init__(self, target: str, module: Path) -> None:
        self.target = target
        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self.store, wasmtime.Module.from_file(engine, str(module)), [])
        self.exports = instance.exports(self.store)
        memory = self.exports["memory"]
        pointer, size = memory.data_ptr(self.store), memory.data_len(self.store)
        self.memory = np.ctypeslib.as_array(pointer, shape=(size,))
        self.start = -(-self.exports["__heap_base"].value(self.store) // 16) * 16

    def scratch(self, kernel: str, *parameters: int) -> int:
        """What the header's macro says; of a board's kernels what `fleet_host_call` asks for."""
        if self.target == "mcu":
            return _board_scratch(kernel, *parameters)
        return self.exports[f"scratch_{kernel}"](self.store, *parameters)

    def load(self, buffers: Sequence[bytes]) -> list[int]:
        """Writes buffers with guards between them; returns their addresses, 16-aligned."""
        addresses = []
        at = self.start
        for content in buffers:
            self.memory[at : at + GUARD] = FILL
            at += GUARD
            addresses.append(at)
            self.memory[at : at + len(content)] = np.frombuffer(content, np.uint8)
            end = at + len(content)
            at = -(-end // 16) * 16
            self.memory[end : at + GUARD] = FILL
        self.end = at + GUARD
        return addresses

    def call_overlapping(
        self,
        kernel: str,
        params: bytes,
        inputs: Sequence[NDArray[Any]],
        shape: Sequence[int],
        *,
        lead: int,
        scratch: int | None = None,
    ) -> NDArray[np.int8]:
        """One call whose int8 output begins `lead` bytes above the first input, or below it if negative."""
        x, *others = (np.ascontiguousarray(array).tobytes() for array in inputs)
        size = int(np.prod(shape))
        both = max(-lead, 0) + max(len(x), lead + size)
        area, *rest = self.load([bytes(both + 16), params, *others, bytes(scratch or 0)])
        start = area + max(-lead, 0)
        self.memory[start : start + len(x)] = np.frombuffer(x, np.uint8)
        arguments = [
            rest[0],
            start,
            *rest[1:-1],
            start + lead,
            *([rest[-1] if scratch else 0] if scratch is not None else []),
        ]
        self.exports[kernel](self.store, *arguments)
        return self.memory[start + lead : start + lead + size].copy().view(np.int8).reshape(shape)

    def call(
        self,
        kernel: str,
        params: bytes,
        inputs: Sequence[NDArray[Any]],
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        scratch: int | None = None,
        in_place: int | None = None,
    ) -> NDArray[Any]:
        """One call; the result as an array.

        Fails if a byte outside output and scratch was changed. Output and scratch begin as garbage.

        Args:
            scratch: bytes of scratch to pass, NULL if 0; None for a kernel without.
            in_place: the input whose buffer is the output as well.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        buffers = [params, *(np.ascontiguousarray(x).tobytes() for x in inputs)]
        buffers.append(bytes([FILL]) * size)
        if scratch is not None:
            buffers.append(bytes([FILL]) * scratch)
        addresses = self.load(buffers)
        arguments = list(addresses)
        if scratch == 0:
            arguments[-1] = 0
        output = addresses[len(inputs) + 1]
        if in_place is not None:
            output = addresses[in_place + 1]
            arguments[len(inputs) + 1] = output
        before = self.memory[self.start : self.end].copy()
        self.exports[kernel](self.store, *arguments)
        result = self.memory[output : output + size].copy()
        after = self.memory[self.start : self.end].copy()
        writable = [(output, size)] + ([(addresses[-1], scratch)] if scratch else [])
        for address, length in writable:
            after[address - self.start :][:length] = before[address - self.start :][:length]
        changed = np.flatnonzero(before != after)
        assert changed.size == 0, f"{kernel} wrote outside its buffers at {changed[:8] + self.start - output}"
        return result.view(dtype).reshape(shape)
