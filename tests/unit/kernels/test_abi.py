"""modules/abi/fleet_abi.h: what a module built with it exports."""

import pytest
import wasmtime

from tests.unit.kernels.library import CPU, KERNELS, zig

MODULE = """
#include "fleet_abi.h"

__attribute__((address_space(1))) int32_t fleet_layer;

static float buffer[4];

int32_t fleet_abi(void) { return FLEET_ABI_VERSION; }
void *fleet_input(int32_t i) { return i == 0 ? buffer : (void *)0; }
void *fleet_output(int32_t i) { return i == 0 ? buffer : (void *)0; }
int32_t fleet_layers(void) { return 1; }
int32_t fleet_run_layer(int32_t i) { fleet_layer = i; __builtin_trap(); }
int32_t fleet_run(void) { return fleet_run_layer(7); }
"""


@pytest.mark.parametrize("target", list(CPU))
def test_exports_of_a_module(tmp_path, target):
    source, compiled, module = (tmp_path / f"module.{suffix}" for suffix in ("c", "o", "wasm"))
    source.write_text(MODULE)
    machine = ["-target", "wasm32-freestanding", f"-mcpu={CPU[target]}", f"-I{KERNELS.parent / 'abi'}"]
    flags = (KERNELS / "compile_flags.txt").read_text().split()
    zig("cc", "-c", *machine, *flags, "-O3", str(source), "-o", str(compiled))
    zig("wasm-ld", "--no-entry", "--export=fleet_layer", str(compiled), "-o", str(module))

    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    loaded = wasmtime.Module.from_file(engine, str(module))
    assert list(loaded.imports) == []
    exports = wasmtime.Instance(store, loaded, []).exports(store)
    names = {"memory", "fleet_abi", "input", "output", "run", "layers", "run_layer", "fleet_layer"}
    assert {export.name for export in loaded.exports} == names
    assert exports["fleet_abi"](store) == 1 << 16
    with pytest.raises(wasmtime.Trap):
        exports["run"](store)
    assert exports["fleet_layer"].value(store) == 7
