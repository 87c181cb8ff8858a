"""The kinds of machine code that a model is compiled to."""

from dataclasses import dataclass

from controller.compiler.errors import ProjectError


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        name: As in `model.toml`.
        cpu: Clang's `-mcpu`.
        simd: Whether kernels come from `simd128/`, with their packing of weights.
    """

    name: str
    cpu: str
    simd: bool


TARGETS = {
    "simd": Target("simd", "mvp+mutable_globals+simd128", simd=True),
    "mvp": Target("mvp", "mvp+mutable_globals", simd=False),
}


def find_target(name: str) -> Target:
    """The target of a name.

    Raises:
        ProjectError: There is none.
    """
    if name not in TARGETS:
        raise ProjectError(f"unknown target {name}", remedy=f"targets: {', '.join(TARGETS)}")
    return TARGETS[name]
