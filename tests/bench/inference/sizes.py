"""Bytes of a module."""

from controller.compiler import CompiledModule


def constant_bytes(module: CompiledModule) -> int:
    """Weights, biases, multipliers and tables."""
    return module.cuts[-1] - module.cuts[0]


def code_bytes(module: CompiledModule) -> int:
    """Everything else: code, parameters of layers, node names, metadata."""
    return len(module.wasm) - constant_bytes(module)
