"""The host of a module of target `mcu`, on the desk: the same C that a board has, called from wasmtime."""

import ctypes
from functools import cache

import wasmtime

from controller.compiler.emit.host import kernels
from controller.compiler.emit.toolchain import host_library
from protocol.module import WEIGHTS_ALIGNMENT, WEIGHTS_SECTION, ModuleMeta, sections

_FAULTS = {1: "its parameters are not as the kernel asks", 2: "an argument is outside the module's memory"}


class _Module(ctypes.Structure):
    """`struct fleet_host_module`."""

    _fields_ = (
        ("memory", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("memory_size", ctypes.c_uint32),
        ("weights_size", ctypes.c_uint32),
    )


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(host_library()))
    library.fleet_host_call.argtypes = [
        ctypes.POINTER(_Module),
        ctypes.c_uint32,
        ctypes.POINTER(ctypes.c_uint32),
    ]
    library.fleet_host_call.restype = ctypes.c_int
    return library


def weights_of(wasm: bytes) -> bytes:
    """The contents of `fleet.weights`; nothing if there is no such section."""
    for section in sections(wasm):
        if section.name == WEIGHTS_SECTION:
            return wasm[-(-section.start // WEIGHTS_ALIGNMENT) * WEIGHTS_ALIGNMENT : section.end]
    return b""


class HostKernels:
    """What a module imports.

    Args:
        wasm: The module.
        meta: Its metadata.
    """

    def __init__(self, wasm: bytes, meta: ModuleMeta) -> None:
        weights = weights_of(wasm)
        # Aligned as on a board, where the file is.
        self._weights = ctypes.create_string_buffer(len(weights) + WEIGHTS_ALIGNMENT)
        start = -(-ctypes.addressof(self._weights) // WEIGHTS_ALIGNMENT) * WEIGHTS_ALIGNMENT
        ctypes.memmove(start, weights, len(weights))
        self._module = _Module(None, start, meta.memory, len(weights))
        self._numbers = {name: number for number, name in enumerate(kernels())}

    def function(self, store: wasmtime.Store, item: wasmtime.ImportType) -> wasmtime.Func:
        """One import."""
        name = item.name or ""
        number, count = self._numbers[name], kernels()[name]

        def call(caller: wasmtime.Caller, *arguments: int) -> None:
            memory = caller["memory"]
            if not isinstance(memory, wasmtime.Memory):
                raise wasmtime.Trap("the module has no memory")
            self._module.memory = ctypes.addressof(memory.data_ptr(caller).contents)
            given = (ctypes.c_uint32 * count)(*(argument & 0xFFFFFFFF for argument in arguments))
            status = _library().fleet_host_call(ctypes.byref(self._module), number, given)
            if status:
                raise wasmtime.Trap(f"{name} was called wrongly: {_FAULTS[status]}")

        kind = wasmtime.FuncType([wasmtime.ValType.i32()] * count, [])
        return wasmtime.Func(store, kind, call, access_caller=True)
