"""Tables of calls: what differs between the calls of one kernel, a row for each.

A call by itself takes some 45 bytes of code, and the structure of its parameters 100 more, of which most
are the same in all calls of its kernel. Where a kernel is called often, one function makes the structure
from a row of a table, whose columns are as narrow as their values. Columns that are equal are one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.compiler.emit.calls import format_value, leaves, place_offset, scratch_offset
from controller.compiler.emit.constants import ConstantBlock
from controller.compiler.plan.steps import Call, Constant, Plan

FEWEST = 4
"""Calls from which on a table is smaller."""
_NO_SCRATCH = -1
_INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32)


@dataclass(frozen=True)
class Tables:
    """The tables of a module.

    Attributes:
        source: Tables and the functions that call kernels by their rows.
        rows: The C expression that makes a call, by the `id` of the call.
    """

    source: tuple[str, ...]
    rows: dict[int, str]


@dataclass
class _Columns:
    """Columns of one table; equal ones are stored once."""

    names: dict[tuple[str, ...], str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def expression(self, name: str, values: Sequence[str], kind: str) -> str:
        """What a row says: a constant if they all say the same."""
        if len(set(values)) == 1:
            return values[0]
        found = self.names.setdefault(tuple(values), name)
        if found == name:
            self.types[name] = kind
        return f"row->{found}"


def tables(plan: Plan, block: ConstantBlock) -> Tables:
    """Find the calls that share a table, and write it.

    Args:
        plan: What runs where.
        block: Where constants lie.
    """
    groups: dict[tuple[object, ...], list[tuple[int, Call]]] = {}
    for index, step in enumerate(plan.steps):
        for call in step.calls:
            if _fits(call):
                groups.setdefault(_likeness(call), []).append((index, call))
    source: list[str] = []
    rows: dict[int, str] = {}
    for number, calls in enumerate(group for group in groups.values() if len(group) >= FEWEST):
        source.extend(_table(number, calls, plan, block))
        rows |= {id(call): f"call_{number}(&rows_{number}[{row}])" for row, (_, call) in enumerate(calls)}
    return Tables(tuple(source), rows)


def _fits(call: Call) -> bool:
    return call.template is None and all(_kind([value]) for _, value in leaves(call.params))


def _likeness(call: Call) -> tuple[object, ...]:
    members = tuple((path, isinstance(value, np.float32)) for path, value in leaves(call.params))
    constant = tuple(isinstance(argument, Constant) for argument in call.arguments)
    return call.kernel, call.struct, members, constant, call.scratch is None


def _kind(values: Sequence[object]) -> str | None:
    """The narrowest C type that holds all values; none for arrays and doubles."""
    if all(isinstance(value, np.float32) for value in values):
        return "float"
    if not all(isinstance(value, int | np.integer | np.bool_) for value in values):
        return None
    whole = [int(value) for value in values]  # type: ignore[call-overload] # integers, as tested
    for kind in _INTEGERS:
        limits = np.iinfo(kind)
        if limits.min <= min(whole) and max(whole) <= limits.max:
            return f"{np.dtype(kind).name}_t"
    return None


def _table(number: int, calls: list[tuple[int, Call]], plan: Plan, block: ConstantBlock) -> Iterator[str]:
    first = calls[0][1]
    columns = _Columns()
    cells: dict[str, list[str]] = {}

    def column(path: str, values: Sequence[object]) -> str:
        name = path.replace(".", "_")
        texts = [format_value(value) for value in values]
        cells[name] = texts
        return columns.expression(name, texts, _kind(values) or "")

    members = dict(leaves(first.params))
    given = [dict(leaves(call.params)) for _, call in calls]
    expressions = {path: column(path, [values[path] for values in given]) for path in members}
    arguments = ["&p"]
    for place in range(len(first.arguments)):
        offsets = [_offset(call, place, plan, block) for _, call in calls]
        macro = "CONSTANT" if isinstance(first.arguments[place], Constant) else "ARENA"
        arguments.append(f"{macro}({column(f'at_{place}', offsets)})")
    if first.scratch is not None:
        scratches = [scratch_offset(call, index, plan) for index, call in calls]
        here = column("scratch", [_NO_SCRATCH if offset is None else offset for offset in scratches])
        arguments.append(_scratch(scratches, here))
    types = sorted(columns.types.items(), key=lambda item: item[1])
    yield f"struct __attribute__((packed)) row_{number} {{"
    yield from (f"    {kind} {name};" for name, kind in types)
    yield "};"
    yield f"static const struct row_{number} rows_{number}[] = {{"
    for row in range(len(calls)):
        yield "    {" + ", ".join(f".{name} = {cells[name][row]}" for name, _ in types) + "},"
    yield "};"
    yield f"static __attribute__((noinline)) void call_{number}(const struct row_{number} *row)"
    yield "{"
    # An initializer would be a call of memcpy, which no module has.
    yield f"    struct {first.struct} p;"
    yield from (f"    p.{path} = {text};" for path, text in expressions.items())
    yield f"    {first.kernel}({', '.join(arguments)});"
    yield "}"
    yield ""


def _offset(call: Call, number: int, plan: Plan, block: ConstantBlock) -> int:
    argument = call.arguments[number]
    if isinstance(argument, Constant):
        return block.offset(argument)
    return place_offset(plan, argument.tensor, argument.offset)


def _scratch(offsets: Sequence[int | None], here: str) -> str:
    if None not in offsets:
        return f"ARENA({here})"
    return f"{here} == {_NO_SCRATCH} ? 0 : ARENA({here})" if set(offsets) != {None} else "0"
