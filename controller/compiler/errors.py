"""What the compiler says when it cannot go on.

CompileError                exit 3   (an InputError: the file, the project or the data is not usable)
├── ProjectError                     model.toml, or a file that it names
├── BrokenModelError                 not ONNX, truncated, inconsistent, external data missing
├── DynamicShapeError                an input's size is open and --shape does not close it
├── UnsupportedError                 a node that has no kernel
├── StateError                       --state pairs what does not fit together
├── TorchError                       a program of PyTorch that cannot become ONNX here
├── CalibrationError                 calibration or evaluation data missing or of the wrong shape
└── ToolchainError                   clang or the linker failed
CheckError                  exit 1   targets or oracle disagree, or accuracy is below the budget
IllegalGraphError           a bug of ours: a pass made a graph that the verifier refuses
"""

from protocol.errors import FleetError, InputError


class CompileError(InputError):
    """A model that cannot be compiled as it is.

    Args:
        what: As for every error.
        where: As for every error.
        remedy: As for every error.
        layer: The ONNX node that it is about, as "name (operator)".
    """

    def __init__(
        self, what: str, *, where: str | None = None, remedy: str | None = None, layer: str | None = None
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.layer = layer


class ProjectError(CompileError):
    """A model project that is missing, or whose `model.toml` does not hold."""


class BrokenModelError(CompileError):
    """A file that is not a sound ONNX model."""


class DynamicShapeError(CompileError):
    """Shapes must be known when a model is compiled."""


class UnsupportedError(CompileError):
    """A node that cannot be compiled.

    Args:
        node: The ONNX node's name.
        op: Its operator.
        why: What has no kernel, ending the sentence "cannot compile node … (…): …".
        where: The file and its opset.
        remedy: What can be done.
    """

    def __init__(self, node: str, op: str, why: str, *, where: str | None = None, remedy: str) -> None:
        layer = f"{node} ({op})"
        super().__init__(f"cannot compile node {layer}: {why}", where=where, remedy=remedy, layer=layer)
        self.node = node
        self.op = op
        self.why = why


class StateError(CompileError):
    """A pair of input and output that cannot be carried from run to run."""


class TorchError(CompileError):
    """A program of PyTorch that cannot be exported, or not here."""


class CalibrationError(CompileError):
    """Sample data that is missing or does not fit the model."""


class ToolchainError(CompileError):
    """Clang or the linker refused what the compiler wrote."""


class CheckError(FleetError):
    """A compiled module that does not do what it should."""


class IllegalGraphError(FleetError):
    """A pass left a graph that breaks a rule of `ir.verify`; a bug of the compiler."""
