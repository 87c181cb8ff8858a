"""Calls of kernels in C: where their arguments lie, what their parameters are."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from controller.compiler.emit.constants import ConstantBlock, format_float
from controller.compiler.plan.steps import Argument, Call, Constant, Params, Plan, Scratch


def state_offset(plan: Plan) -> int:
    """Where the state block lies, bytes from the begin of the arena: right behind it."""
    return -(-plan.arena // 16) * 16


def place_offset(plan: Plan, tensor: str, offset: int = 0) -> int:
    """Where a byte of a tensor lies, bytes from the begin of the arena."""
    if tensor in plan.state:
        return state_offset(plan) + plan.state[tensor] + offset
    return plan.offsets[tensor] + offset


def place(plan: Plan, tensor: str, offset: int = 0) -> str:
    """The address of a byte of a tensor."""
    if tensor in plan.state:
        return f"STATE({plan.state[tensor] + offset})"
    return f"ARENA({plan.offsets[tensor] + offset})"


def structures(plan: Plan, tabled: Collection[int]) -> dict[tuple[str, str], str]:
    """A name for each different structure of parameters, by its type and value: layers alike share one.

    Args:
        plan: What runs.
        tabled: The `id` of each call that takes its parameters from a table.
    """
    different = dict.fromkeys(
        (call.struct, format_value(call.params))
        for step in plan.steps
        for call in step.calls
        if id(call) not in tabled
    )
    return {key: f"params_{number}" for number, key in enumerate(different)}


def write_call(call: Call, params: str, scratch: int | None, plan: Plan, block: ConstantBlock) -> str:
    """The line of one call.

    Args:
        call: What is called.
        params: Name of the structure of its parameters.
        scratch: Where its scratch memory lies, bytes from the begin of the arena.
        plan: Where tensors lie.
        block: Where constants lie.
    """
    arguments = [f"&{params}", *(_argument(argument, plan, block) for argument in call.arguments)]
    if call.scratch is not None:
        arguments.append("0" if scratch is None else f"ARENA({scratch})")
    return f"    {call.kernel}({', '.join(arguments)});"


def assert_scratch(scratch: Scratch) -> str:
    """The line that proves that planner and kernel mean the same size."""
    return f'    _Static_assert({scratch.macro} == {scratch.nbytes}, "scratch as planned");'


def scratch_offset(call: Call, index: int, plan: Plan) -> int | None:
    """Where a call of step `index` has its scratch memory, bytes from the begin of the arena, if any."""
    return plan.scratch[index] if call.scratch is not None and call.scratch.nbytes else None


def _argument(argument: Argument, plan: Plan, block: ConstantBlock) -> str:
    if isinstance(argument, Constant):
        return f"CONSTANT({block.offset(argument)})"
    return place(plan, argument.tensor, argument.offset)


def format_value(value: Any) -> str:
    """An initializer of C."""
    if isinstance(value, dict):
        return "{" + ", ".join(f".{key} = {format_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(format_value(item) for item in value) + "}"
    if isinstance(value, np.float32):
        return format_float(value)
    return value.hex() if isinstance(value, float) else str(int(value))


def leaves(params: Params, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each member that is no structure, by its path: `window.in_h`."""
    for key, value in params.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield path + key, value
