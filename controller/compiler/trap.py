"""A trap in a module, in words."""

import contextlib

import wasmtime

from controller.compiler.errors import CheckError
from protocol.module import ModuleMeta

_REFUSED = {
    "an index is out of range": {
        "Gather",
        "GatherElements",
        "GatherND",
        "MaxUnpool",
        "RoiAlign",
        "ScatterElements",
        "ScatterND",
    },
    "a length is out of range": {"ReverseSequence", "STFT"},
    "an axis is out of range": {"CumProd", "CumSum", "DFT"},
    "its bounds make another size than that of its output": {"Pad", "Slice"},
}
"""What kernels find in their inputs and answer by `unreachable`; any other trap is a bug."""


class LayerTrap(CheckError):  # noqa: N818 - named after what happened
    """A module trapped; the message names the layer.

    Args:
        meta: Of the module.
        layer: Index of the layer, -1 before the first.
        error: What wasmtime raised.

    Attributes:
        layer: As given.
        place: The layer in words, with its ONNX node, operator and shapes.
    """

    def __init__(self, meta: ModuleMeta, layer: int, error: wasmtime.Trap | wasmtime.WasmtimeError) -> None:
        self.layer = layer
        self.place = meta.describe_layer(layer) if layer >= 0 else "no layer"
        reason, remedy = _last_line(error), "this is a bug of the compiler: report it with the ONNX file"
        refused = _refused(meta.layers[layer].op) if layer >= 0 and _is_unreachable(error) else None
        if refused is not None:
            reason, remedy = f"{refused} (unreachable code)", "check what this layer is given"
        super().__init__(
            f"trap in {self.place}: {reason}",
            where=f"{meta.name} {meta.version}, target {meta.target}",
            remedy=remedy,
        )


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()


def _refused(op: str) -> str | None:
    return next((check for check, operators in _REFUSED.items() if op in operators), None)


def _is_unreachable(error: wasmtime.Trap | wasmtime.WasmtimeError) -> bool:
    # wasmtime raises ValueError for a trap without a code.
    with contextlib.suppress(ValueError):
        return isinstance(error, wasmtime.Trap) and error.trap_code == wasmtime.TrapCode.UNREACHABLE
    return False
