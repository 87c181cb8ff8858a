"""Golden cases: inputs with the digests of the outputs that every device must reproduce.

The digests come from running the modules in wasmtime, and all targets must agree on them. The first
case also leaves a trace, a digest of each layer's output, for each target: a device whose test fails
finds the first layer that differs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.releases.errors import TargetsDifferError
from protocol import golden
from protocol.module import ModuleMeta

SEED = 1
"""Of the pseudo-random case."""


class Runner(Protocol):
    """A module that has been instantiated on this desk."""

    def run(self, inputs: Sequence[bytes]) -> list[bytes]:
        """All outputs for one set of inputs, from reset state."""
        ...

    def run_layers(self, inputs: Sequence[bytes]) -> list[bytes]:
        """The output of every layer for one set of inputs, from reset state."""
        ...


@dataclass(frozen=True)
class Case:
    """One golden case.

    Attributes:
        inputs: Buffers as the module takes them.
        outputs: SHA-256 over all outputs.
        seed: Makes the inputs, where they need not be sent.
    """

    inputs: tuple[bytes, ...]
    outputs: bytes
    seed: int | None = None


@dataclass(frozen=True)
class Golden:
    """All cases, and each target's trace of the first."""

    cases: tuple[Case, ...]
    traces: Mapping[str, tuple[bytes, ...]]


def record(
    modules: Mapping[str, tuple[ModuleMeta, Callable[[], Runner]]], samples: Sequence[Sequence[bytes]]
) -> Golden:
    """Run all cases on all targets.

    Args:
        modules: By target: metadata, and what instantiates the module.
        samples: Real inputs; for each the module's input buffers, in order.

    Raises:
        TargetsDifferError: two targets give different outputs.
    """
    metas = [meta for meta, _ in modules.values()]
    random = golden.random_inputs(SEED, metas[0].inputs)
    inputs = [tuple(sample) for sample in samples] + [tuple(random)]
    digests: dict[str, list[bytes]] = {}
    traces: dict[str, tuple[bytes, ...]] = {}
    for target, (_, instantiate) in modules.items():
        runner = instantiate()
        digests[target] = [golden.outputs_digest(runner.run(case)) for case in inputs]
        traces[target] = tuple(golden.layer_digest(out) for out in runner.run_layers(inputs[0]))
    first, *others = digests
    for other in others:
        for number, (a, b) in enumerate(zip(digests[first], digests[other], strict=True)):
            if a != b:
                raise TargetsDifferError(
                    f"{metas[0].name}: {first} and {other} give different outputs for golden case {number}",
                    where=_first_difference(modules[first][0], traces[first], traces[other]),
                    remedy="this is a bug of the compiler; please report it with the model",
                )
    seeds = [None] * len(samples) + [SEED]
    cases = tuple(map(Case, inputs, digests[first], seeds))
    return Golden(cases, traces)


def _first_difference(meta: ModuleMeta, one: Sequence[bytes], other: Sequence[bytes]) -> str | None:
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return meta.describe_layer(index)
    return None
