"""A cheap call into wasmtime: 1 µs, where `Func.__call__` takes 10 to look up types and convert values."""

import ctypes
from collections.abc import Callable
from typing import Any

import wasmtime

_call_unchecked: Callable[..., Any] | None
try:
    from wasmtime import _ffi as ffi

    _call_unchecked = ffi.wasmtime_func_call_unchecked
except (ImportError, AttributeError):  # private to wasmtime, so it may go; only speed depends on it
    _call_unchecked = None


def prepared(store: wasmtime.Store, function: wasmtime.Func) -> Callable[[], int]:
    """A function without parameters, ready to be called again and again.

    Args:
        store: Where it lives; must outlive the result.
        function: Of type `() -> i32`; nothing checks that here (`protocol.module.check` has).

    Returns:
        Calls it. Raises `wasmtime.Trap` as `function` does; after that it must not be called again.
    """
    if _call_unchecked is None:
        return lambda: int(function(store))
    call = _call_unchecked
    result = (ffi.wasmtime_val_raw_t * 1)()
    trap = ctypes.POINTER(ffi.wasm_trap_t)()
    arguments = (store._context(), ctypes.byref(function._func), result, 1, ctypes.byref(trap))  # noqa: SLF001 - as above

    def run() -> int:
        error = call(*arguments)
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)  # noqa: SLF001 - as above
        if trap:
            raise wasmtime.Trap._from_ptr(trap)  # noqa: SLF001 - as above
        return int(result[0].i32)

    return run
