"""Golden cases: inputs with the digests of the outputs that every device must reproduce.

The digests come from running the modules in wasmtime, and all targets must agree on them. The first
case also leaves a trace, a digest of each layer's output, for each target: a device whose test fails
finds the first layer that differs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from controller.releases.errors import TargetsDifferError
from protocol import golden
from protocol.module import ModuleMeta

SEED = 1
"""Of the pseudo-random case."""

Arrays = Mapping[str, npt.NDArray[Any]]
"""A tensor for each input or output, at the module's type and shape."""


class Runner(Protocol):
    """A module that has been instantiated on this desk, as `controller.compiler.Instance` is."""

    def run(self, inputs: Arrays) -> Arrays:
        """One inference."""
        ...

    def run_layers(self, inputs: Arrays) -> Iterator[tuple[int, bytes]]:
        """One inference, layer by layer: index and output as it lies in memory."""
        ...


@dataclass(frozen=True)
class Case:
    """One golden case.

    Attributes:
        inputs: All inputs, one after the other, as they lie in memory.
        outputs: SHA-256 over all outputs.
        seed: Makes the inputs, where they need not be sent.
    """

    inputs: bytes
    outputs: bytes
    seed: int | None = None


@dataclass(frozen=True)
class Golden:
    """All cases, and each target's trace of the first."""

    cases: tuple[Case, ...]
    traces: Mapping[str, tuple[bytes, ...]]


def record(
    modules: Mapping[str, tuple[ModuleMeta, bytes]],
    samples: Sequence[Arrays],
    instantiate: Callable[[bytes], Runner],
) -> Golden:
    """Run all cases on all targets.

    Args:
        modules: By target: metadata and file.
        samples: Real inputs.
        instantiate: Makes a module runnable, in reset state.

    Raises:
        TargetsDifferError: two targets give different outputs.
    """
    first, *others = modules
    meta = modules[first][0]
    inputs = [*samples, _random(meta)]
    digests: dict[str, list[bytes]] = {}
    traces: dict[str, tuple[bytes, ...]] = {}
    for target, (_, wasm) in modules.items():
        # Every case begins in reset state, which a new instance is in.
        digests[target] = [_outputs(meta, instantiate(wasm).run(case)) for case in inputs]
        layers = instantiate(wasm).run_layers(inputs[0])
        traces[target] = tuple(golden.layer_digest(output) for _, output in layers)
    for other in others:
        for number, (a, b) in enumerate(zip(digests[first], digests[other], strict=True)):
            if a != b:
                raise TargetsDifferError(
                    f"{meta.name}: {first} and {other} give different outputs for golden case {number}",
                    remedy="this is a bug of the compiler; please report it with the model",
                )
    cases = [
        Case(b"".join(case[tensor.name].tobytes() for tensor in meta.inputs), outputs)
        for case, outputs in zip(samples, digests[first], strict=False)
    ]
    return Golden((*cases, Case(b"", digests[first][-1], SEED)), traces)


def _random(meta: ModuleMeta) -> Arrays:
    buffers = golden.random_inputs(SEED, meta.inputs)
    return {
        tensor.name: np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
        for tensor, data in zip(meta.inputs, buffers, strict=True)
    }


def _outputs(meta: ModuleMeta, outputs: Arrays) -> bytes:
    return golden.outputs_digest(outputs[tensor.name].tobytes() for tensor in meta.outputs)
