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
        relaxed: Whether weights of 7 bits are multiplied by `i32x4.relaxed_dot_i8x16_i7x16_add_s`.
        host: Whether kernels are the host's, with their packing of weights: `modules/abi/fleet_host.h`.
    """

    name: str
    cpu: str
    simd: bool = False
    relaxed: bool = False
    host: bool = False

    @property
    def lane(self) -> int:
        """Activations that fast kernels keep in 32 bits: `FLEET_LANE` of `fleet/convolution.h`."""
        return 4 if self.relaxed else 2


TARGETS = {
    "relaxed": Target("relaxed", "mvp+mutable_globals+simd128+relaxed_simd", simd=True, relaxed=True),
    "simd": Target("simd", "mvp+mutable_globals+simd128", simd=True),
    "mvp": Target("mvp", "mvp+mutable_globals"),
    "mcu": Target("mcu", "mvp+mutable_globals", host=True),
}


def find_target(name: str) -> Target:
    """The target of a name.

    Raises:
        ProjectError: There is none.
    """
    if name not in TARGETS:
        raise ProjectError(f"unknown target {name}", remedy=f"targets: {', '.join(TARGETS)}")
    return TARGETS[name]
