"""Steps to a WebAssembly file: C source, constants, clang, linker, metadata."""

from controller.compiler.emit.module import CompiledModule, Header, emit

__all__ = ["CompiledModule", "Header", "emit"]
