"""What inspection says when it cannot look.

OtherGraphError    exit 3   the module was made from another graph than the one at hand
NoReferenceError   exit 1   the oracle does not know an operator of the model
"""

from protocol.errors import FleetError, InputError
from protocol.module import ModuleMeta


class OtherGraphError(InputError):
    """A module and a graph that do not belong together."""

    def __init__(self, meta: ModuleMeta, made_from: str | None) -> None:
        graph = f"graph sha256:{made_from[:8]}…" if made_from else "a graph it does not name"
        super().__init__(
            f"the module {meta.name} {meta.version} was made from {graph}, which is not the graph "
            "that this project gives now",
            remedy="compare it in the checkout that it was built from, by this version of fleet",
        )


class NoReferenceError(FleetError):
    """A graph that the oracle cannot run."""

    def __init__(self, meta: ModuleMeta, reason: str) -> None:
        super().__init__(
            f"there is no reference for {meta.name} {meta.version}: {reason}",
            where="the oracle, docs/spec/numbers.md",
            remedy="this is a gap of the oracle: please report it with the ONNX file",
        )
