"""The C of a module compiled for the machine itself, restricted to 128-bit SIMD, looped inside."""

import ctypes
import hashlib
import subprocess
from pathlib import Path

import numpy as np
import ziglang

from controller.compiler import Instance, resources
from controller.compiler.emit.toolchain import _kernel_sources as kernel_sources
from controller.compiler.targets import find_target
from tests.bench.inference.engines import Looped, Timed
from tests.bench.inference.models import Prepared
from tests.bench.inference.peers import cache_folder, simde

_MAIN = """\
#define SIMDE_ENABLE_NATIVE_ALIASES
#include "{simd}"
#define __asm__(name)
#include "module.c"
#undef __asm__
#include "kernels.c"
void whole(int32_t times) {{ while (times-- > 0) fleet_run(); }}
"""
# A wrapper of SIMDe's, found before clang's own header, which works for Wasm only.
_WASM_SIMD = "#include <simde/wasm/simd128.h>\n"
_FLAGS = (
    "-std=gnu11",
    "-O3",
    "-msse4.1",
    "-ffp-contract=off",
    "-fno-builtin",
    "-w",
    "-shared",
    "-fPIC",
    "-D__wasm_simd128__",
)


class NativeError(Exception):
    """The module's C does not compile natively."""


def native128(model: Prepared) -> Timed:
    """The model as a shared library; its result equals the module's, byte for byte.

    Raises:
        PeerError: SIMDe cannot be fetched.
        NativeError: It does not compile, or computes something else.
    """
    library = ctypes.CDLL(str(_build(model)))
    for function in ("fleet_input", "fleet_output"):
        getattr(library, function).restype = ctypes.c_void_p
    instance = Instance(model.compiled.wasm)
    meta = model.compiled.meta
    inputs = instance.quantize({meta.inputs[0].name: model.values()})
    expected = instance.run(inputs)
    raw = inputs[meta.inputs[0].name].tobytes()
    ctypes.memmove(library.fleet_input(0), raw, len(raw))
    library.fleet_run()
    output = meta.outputs[0]
    got = ctypes.string_at(library.fleet_output(0), output.nbytes)
    if got != expected[output.name].tobytes():
        raise NativeError("the native build computes something else than the module")
    (values,) = instance.dequantize(expected).values()
    return Looped(library.whole, np.asarray(values))


def _build(model: Prepared) -> Path:
    source, constants = model.source
    folder = cache_folder() / "native" / hashlib.sha256(source.encode() + constants).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    kernels = resources.kernels()
    (folder / "wasm_simd128.h").write_text(_WASM_SIMD)
    # A global of the Wasm machine has no counterpart here.
    (folder / "module.c").write_text(source.replace("__attribute__((address_space(1))) ", ""))
    (folder / "constants.bin").write_bytes(constants)
    (folder / "kernels.c").write_text(
        "".join(f'#include "{kernels / path}"\n' for path in kernel_sources(find_target("simd")))
    )
    (folder / "constants.c").write_text(
        '__attribute__((aligned(16))) const unsigned char constants[] = {\n#embed "constants.bin"\n};\n'
    )
    (folder / "main.c").write_text(_MAIN.format(simd="wasm_simd128.h"))
    library = folder / "model.so"
    zig = Path(ziglang.__file__).with_name("zig")
    include = [f"-I{place}" for place in (folder, kernels / "include", kernels, resources.abi(), simde())]
    # Without -mcpu zig would take every instruction of this machine.
    machine = ["-target", "x86_64-linux-gnu", "-mcpu=x86_64+sse4_1"]
    for command in (
        [zig, "cc", *machine, "-c", "-std=c23", "constants.c", "-fPIC", "-o", "constants.o"],
        [zig, "cc", *machine, *_FLAGS, *include, "main.c", "constants.o", "-o", library],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr]
            raise NativeError(lines[0])
    return library
