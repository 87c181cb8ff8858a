"""Bytes of the zoo's modules and of their arenas, against what was recorded.

python -m tests.bench.sizes [--record]

A test fails when one grows by more than `ALLOWED`; `--record` accepts what there is.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from controller.compiler import CompiledModule, compile_model
from tests.bench import zoo

RECORD = Path(__file__).with_name("sizes.json")
ALLOWED = 0.03
MODELS = (*zoo.TINY, "mobilenetv2")
_SAMPLES = 2


def constant_bytes(module: CompiledModule) -> int:
    """Weights, biases, multipliers and tables."""
    return module.cuts[-1] - module.cuts[0]


def code_bytes(module: CompiledModule) -> int:
    """Everything else: code, parameters of layers, node names, metadata."""
    return len(module.wasm) - constant_bytes(module)


def measure(name: str) -> dict[str, int]:
    """The figures of a model's int8 module for `simd`."""
    net = zoo.MODELS[name].build()
    samples = np.random.default_rng(7).standard_normal((_SAMPLES, *net.shapes["x"])).astype(np.float32)
    module = compile_model(net.model(), calibration={"x": samples}, name="bench")
    return {
        "code_bytes": code_bytes(module),
        "constant_bytes": constant_bytes(module),
        "arena_bytes": module.meta.arena.size,
    }


def grown(recorded: dict[str, int], now: dict[str, int]) -> list[str]:
    """What grew by more than is allowed, one line each."""
    return [
        f"{name} {recorded[name]} -> {size}"
        for name, size in now.items()
        if size > recorded[name] * (1 + ALLOWED)
    ]


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--record", action="store_true")
    figures = {name: measure(name) for name in MODELS}
    text = json.dumps(figures, indent=1) + "\n"
    sys.stdout.write(text)
    if parser.parse_args().record:
        RECORD.write_text(text)


if __name__ == "__main__":
    main()
