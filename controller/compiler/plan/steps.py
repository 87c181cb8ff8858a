"""What a plan consists of. Emission turns each step into one C function, each call into one line of it."""

from dataclasses import dataclass, field
from typing import Any

from controller.compiler.ir import Array, Shape

STATE = "State"
"""The operator of the steps that end a run: they carry the state on."""


@dataclass(frozen=True, eq=False)
class Constant:
    """Bytes that a kernel reads, in their final packing.

    Attributes:
        name: For readers of the C.
        data: Packed elements.
        is_weight: Weight tensors lie behind all biases, multipliers and tables in the file.
    """

    name: str
    data: Array
    is_weight: bool = False


@dataclass(frozen=True)
class Slot:
    """A place in the arena, by the tensor that owns it.

    Attributes:
        tensor: Any tensor of the graph; the planner knows who shares memory.
        offset: Bytes behind its begin.
    """

    tensor: str
    offset: int = 0


Argument = Constant | Slot
Params = dict[str, Any]


@dataclass(frozen=True)
class Scratch:
    """Memory that a call needs while it runs.

    Attributes:
        nbytes: Size.
        macro: The C expression of it, which the emitted code asserts.
        least: What the call could do with, at some cost in speed.
    """

    nbytes: int
    macro: str
    least: int = 0


@dataclass(frozen=True)
class Template:
    """A kernel that is compiled with the module, for the types that it needs.

    Attributes:
        file: Below `modules/kernels/general`; it defines the function `FLEET_KERNEL`.
        defines: Macros that it reads.
    """

    file: str
    defines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Call:
    """One call of a kernel: `kernel(&params, arguments…[, scratch])`.

    Attributes:
        kernel: Name of the function.
        struct: Name of the C struct of the parameters.
        params: Its members; nested structs as dicts, arrays as lists.
        template: Where the kernel comes from, if it is not one of the library's. A name stands for one
            template only.
    """

    kernel: str
    struct: str
    params: Params
    arguments: tuple[Argument, ...]
    scratch: Scratch | None = None
    template: Template | None = None


@dataclass(frozen=True)
class Distance:
    """How far an output must keep from the input that it may run over; see `overlap`.

    Attributes:
        below: Bytes by which it begins below the input at least; if negative, it may begin above.
        above: Bytes by which it begins above at least, computed backwards; None: it never may.
    """

    below: int
    above: int | None


@dataclass(frozen=True)
class Step:
    """One layer of the module.

    Attributes:
        name: ONNX node name.
        op: ONNX operator type.
        detail: One readable line, as `Conv 3x3 4->32`.
        outputs: The tensors it makes; type and shape are those of the first.
        shape: Of the output, ONNX's order.
        in_place: Inputs whose memory the first output may take over.
        overlap: An input that the first output may run over, and how far.
    """

    name: str
    op: str
    detail: str
    outputs: tuple[str, ...]
    dtype: str
    shape: Shape
    calls: tuple[Call, ...]
    macs: int = 0
    in_place: tuple[str, ...] = ()
    overlap: tuple[str, Distance] | None = None

    @property
    def output(self) -> str:
        """The first tensor that it makes: what the layer table shows."""
        return self.outputs[0]

    @property
    def constants(self) -> list[Constant]:
        """Everything constant that it reads."""
        return [a for call in self.calls for a in call.arguments if isinstance(a, Constant)]

    @property
    def weight_bytes(self) -> int:
        """Bytes of its constants, packed."""
        return sum(constant.data.nbytes for constant in self.constants)


@dataclass(frozen=True)
class Plan:
    """A module, but for its machine code.

    Attributes:
        steps: In the order in which they run.
        offsets: Place of every tensor in the arena, bytes; constants have none.
        scratch: Place of the scratch memory of a step, by index.
        arena: Size of the arena.
        bound: The least that any plan of these steps needs.
        state: Place of the tensors that outlive a run, bytes from the begin of the state block.
        state_size: Size of that block.
    """

    steps: tuple[Step, ...]
    offsets: dict[str, int]
    arena: int
    bound: int
    scratch: dict[int, int] = field(default_factory=dict)
    state: dict[str, int] = field(default_factory=dict)
    state_size: int = 0

    @property
    def calls(self) -> list[Call]:
        """Every call, in the order in which they run."""
        return [call for step in self.steps for call in step.calls]
