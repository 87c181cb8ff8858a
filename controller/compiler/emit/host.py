"""Calls of kernels that the host has, for target `mcu`: `modules/abi/fleet_host.h`.

What a kernel reads beside the arena lies in the section `fleet.weights`, its parameters included, so that
nothing of it takes RAM on a board. A kernel that no host has is carried in the module, and its constants
are copied into linear memory before each call.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from controller.compiler import resources
from controller.compiler.emit.calls import assert_scratch, format_value, place, place_offset, scratch_offset
from controller.compiler.emit.constants import ALIGNMENT, ConstantBlock, to_bytes
from controller.compiler.plan.steps import Argument, Call, Constant, Params, Plan

_CONSTANT = 0x80000000
"""`FLEET_HOST_CONSTANT`."""
_KERNEL = re.compile(r"X\((\w+), (\d+)\)")
_STRUCT = re.compile(r"^struct (\w+) \{(.*?)^\};", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"(?:struct )?(\w+) ([^;]+);")

HEAD = """\
#define AT(offset) ((uint32_t)(uintptr_t)arena + (offset))
#define HOST(name) __attribute__((import_module("fleet"), import_name(#name))) void host_##name
"""


@cache
def kernels() -> dict[str, int]:
    """The kernels of a host, and the number of their arguments."""
    text = (resources.abi() / "fleet_host.h").read_text()
    return {name: int(count) for name, count in _KERNEL.findall(text)}


@cache
def _layouts() -> dict[str, tuple[tuple[str, str, int], ...]]:
    """Structs of the kernels' headers: type, name and number of elements of each member."""
    macros = {"FLEET_MAX_RANK": 6}
    found = {}
    for path in sorted((resources.kernels() / "include" / "fleet").glob("*.h")):
        for struct, body in _STRUCT.findall(path.read_text()):
            members = []
            for kind, names in _MEMBER.findall(body):
                for name in names.split(","):
                    plain, _, size = name.strip().rstrip("]").partition("[")
                    members.append((kind, plain, macros.get(size) or int(size or 1)))
            found[struct] = tuple(members)
    return found


def pack(struct: str, params: Params) -> bytes:
    """A struct of parameters as it lies in memory, members of four bytes; what is left out is 0."""
    packed = b""
    for kind, name, count in _layouts()[struct]:
        value = params.get(name, 0)
        if kind.startswith("fleet_"):
            packed += pack(kind, value)
            continue
        values = list(value) if isinstance(value, list) else [value]
        values += [0] * (count - len(values))
        packed += np.array(values, "<f4" if kind == "float" else "<i4").tobytes()
    return packed


def is_hosts(call: Call) -> bool:
    """Whether a host has the kernel of a call."""
    return call.template is None and call.kernel in kernels()


@dataclass(frozen=True)
class HostBlock:
    """The contents of `fleet.weights`.

    Attributes:
        block: Structs of parameters, then all constants.
        structs: Offset of each struct, by its bytes.
    """

    block: ConstantBlock
    structs: dict[bytes, int]


def lay_out_structs(plan: Plan, block: ConstantBlock) -> HostBlock:
    """Put the parameters of the host's kernels in front of the constants."""
    head = bytearray()
    structs: dict[bytes, int] = {}
    for call in filter(is_hosts, plan.calls):
        packed = pack(call.struct, call.params)
        if packed not in structs:
            structs[packed] = len(head)
            head += packed
    head += bytes(-len(head) % ALIGNMENT)
    shift = len(head)
    moved = ConstantBlock(
        bytes(head) + block.data,
        {data: offset + shift for data, offset in block.offsets.items()},
        tuple(cut + shift for cut in block.cuts),
    )
    return HostBlock(moved, structs)


def carried_bytes(plan: Plan) -> int:
    """Linear memory that constants of carried kernels need, at most one call's at a time."""
    return max((_constant_bytes(call) for call in plan.calls if not is_hosts(call)), default=0)


def _constant_bytes(call: Call) -> int:
    constants = [argument for argument in call.arguments if isinstance(argument, Constant)]
    return sum(-(-len(to_bytes(constant)) // ALIGNMENT) * ALIGNMENT for constant in constants)


def prototypes(plan: Plan) -> Iterator[str]:
    """Declarations of what the module imports."""
    used = {call.kernel for call in plan.calls if is_hosts(call)}
    if carried_bytes(plan):
        used.add("weights_read")
        yield f"static _Alignas({ALIGNMENT}) unsigned char carried[{carried_bytes(plan)}];"
    for name in sorted(used):
        yield f"HOST({name})({', '.join(['uint32_t'] * kernels()[name])});"


def write_calls(plan: Plan, host: HostBlock, params: dict[tuple[str, str], str]) -> Iterator[list[str]]:
    """The lines of each step.

    Args:
        plan: What runs where.
        host: Where constants lie.
        params: Names of the structs of carried kernels, as `calls.structures` gives them.
    """
    for index, step in enumerate(plan.steps):
        lines: list[str] = []
        for call in step.calls:
            scratch = scratch_offset(call, index, plan)
            if is_hosts(call):
                lines.append(_host_call(call, scratch, plan, host))
                continue
            lines.extend(
                _carried_call(call, scratch, plan, host, params[call.struct, format_value(call.params)])
            )
        yield lines


def _host_call(call: Call, scratch: int | None, plan: Plan, host: HostBlock) -> str:
    def number(argument: Argument) -> str:
        if isinstance(argument, Constant):
            return f"{_CONSTANT + host.block.offset(argument)}u"
        return f"AT({place_offset(plan, argument.tensor, argument.offset)})"

    arguments = [f"{host.structs[pack(call.struct, call.params)]}u", *map(number, call.arguments)]
    if call.scratch is not None:
        arguments.append("0" if scratch is None else f"AT({scratch})")
    return f"    host_{call.kernel}({', '.join(arguments)});"


def _carried_call(call: Call, scratch: int | None, plan: Plan, host: HostBlock, params: str) -> Iterator[str]:
    at = 0
    arguments = [f"&{params}"]
    if call.scratch is not None:
        yield assert_scratch(call.scratch)
    for argument in call.arguments:
        if not isinstance(argument, Constant):
            arguments.append(place(plan, argument.tensor, argument.offset))
            continue
        size = len(to_bytes(argument))
        where = f"(uint32_t)(uintptr_t)carried + {at}"
        yield f"    host_weights_read({host.block.offset(argument)}u, {where}, {size}u);"
        arguments.append(f"(const void *)(carried + {at})")
        at += -(-size // ALIGNMENT) * ALIGNMENT
    if call.scratch is not None:
        arguments.append("0" if scratch is None else f"ARENA({scratch})")
    yield f"    {call.kernel}({', '.join(arguments)});"
