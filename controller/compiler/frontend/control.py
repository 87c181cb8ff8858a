"""If, Loop and Scan: branches that are known, and loops whose number of turns is known, are written out.

Everything is pure, so an If whose condition is computed runs both branches and selects.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import onnx

from controller.compiler.errors import UnsupportedError
from controller.compiler.frontend.fold import Type
from controller.compiler.ir import Array, Shape
from protocol.errors import FleetError

MAX_TURNS = 4096
"""Turns of a loop that is written out: each is a copy of its body."""


class Scope(Protocol):
    """The part of the importer that bodies are written into."""

    where: str

    def type_of(self, name: str) -> Type:
        """Type and shape of a value."""

    def value_of(self, name: str) -> Array | None:
        """The value of a constant, else None."""

    def write(self, op: str, inputs: list[str], outputs: list[str], name: str, **attrs: Any) -> None:
        """Import one more ONNX node."""

    def write_body(self, body: onnx.GraphProto, given: Mapping[str, str], prefix: str) -> list[str]:
        """Import a graph; returns the names of its outputs."""

    def write_node(self, op: str, inputs: list[str], out: tuple[str, Shape], name: str, **attrs: Any) -> None:
        """Write one float32 node of the graph itself: no ONNX operator. `out`: name and shape."""

    def constant(self, name: str, value: Array) -> str:
        """A new constant."""


def _attribute(node: onnx.NodeProto, name: str) -> onnx.AttributeProto:
    found: onnx.AttributeProto = next(a for a in node.attribute if a.name == name)
    return found


def _ints(node: onnx.NodeProto, name: str, count: int) -> list[int]:
    found = [list(attribute.ints) for attribute in node.attribute if attribute.name == name]
    return found[0] if found else [0] * count


def _refuse(scope: Scope, node: onnx.NodeProto, why: str, remedy: str) -> UnsupportedError:
    return UnsupportedError(node.name, node.op_type, why, where=scope.where, remedy=remedy)


def _truth(value: Array | None) -> bool | None:
    return None if value is None else bool(np.reshape(value, -1)[0])


def conditional(scope: Scope, node: onnx.NodeProto) -> None:
    """If: the branch that is taken; both and a Where if that is only known at run time."""
    then, other = _attribute(node, "then_branch").g, _attribute(node, "else_branch").g
    truth = _truth(scope.value_of(node.input[0]))
    if truth is not None:
        results = scope.write_body(then if truth else other, {}, f"{node.name}/{'then' if truth else 'else'}")
        _name_results(scope, node, results)
        return
    try:
        first = scope.write_body(then, {}, f"{node.name}/then")
        second = scope.write_body(other, {}, f"{node.name}/else")
    except FleetError as error:
        error.remedy = (
            f"both branches of {node.name} are compiled, as its condition {node.input[0]} is computed at run "
            "time: export the model with it as a constant"
        )
        raise
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        if scope.type_of(a) != scope.type_of(b):
            raise _refuse(scope, node, "its branches differ in shape", "make both give the same shape")
        if index < len(node.output) and node.output[index]:
            scope.write("Where", [node.input[0], a, b], [node.output[index]], f"{node.name}/select{index}")


def _name_results(scope: Scope, node: onnx.NodeProto, results: list[str]) -> None:
    for index, (result, name) in enumerate(zip(results, node.output, strict=False)):
        if name:
            scope.write("Identity", [result], [name], f"{node.name}/result{index}")


def loop(scope: Scope, node: onnx.NodeProto) -> None:
    """Loop with a constant number of turns and a condition that stays true."""
    body = _attribute(node, "body").g
    trips = scope.value_of(node.input[0]) if node.input[0] else None
    goes_on = _truth(scope.value_of(node.input[1])) if len(node.input) > 1 and node.input[1] else True
    if goes_on is None or (trips is None and goes_on):
        raise _refuse(
            scope, node, "its number of turns is computed at run time", "export with a constant trip count"
        )
    turns = int(np.reshape(trips, -1)[0]) if trips is not None and goes_on else 0
    _check_turns(scope, node, turns)
    carried = list(node.input[2:])
    stacks: list[list[str]] = [[] for _ in body.output[1 + len(carried) :]]
    for turn in range(turns):
        prefix = f"{node.name}/{turn}"
        counter = scope.constant(f"{prefix}/turn", np.array(turn, np.int64))
        condition = scope.constant(f"{prefix}/go", np.array(True))
        names = [value.name for value in body.input]
        given = dict(zip(names, [counter, condition, *carried], strict=True))
        results = scope.write_body(body, given, prefix)
        carried = results[1 : 1 + len(carried)]
        for stack, value in zip(stacks, results[1 + len(carried) :], strict=True):
            stack.append(value)
        ends = _truth(scope.value_of(results[0]))
        if ends is None:
            raise _refuse(
                scope, node, "its condition is computed at run time", "export with a constant trip count"
            )
        if not ends:
            break
    outputs = [name or f"{node.name}/unused{i}" for i, name in enumerate(node.output)]
    for index, value in enumerate(carried):
        if index < len(outputs):
            scope.write("Identity", [value], [outputs[index]], f"{node.name}/carried{index}")
    for index, stack in enumerate(stacks):
        place = len(carried) + index
        if place < len(outputs):
            _stack(scope, node, stack, (outputs[place], 0), f"{node.name}/stack{index}")


def scan(scope: Scope, node: onnx.NodeProto) -> None:
    """Scan of opset 9 and later; before, over the second dimension of a batch."""
    body = _attribute(node, "body").g
    count = int(_attribute(node, "num_scan_inputs").i)
    states = len(node.input) - count
    sequences = list(node.input[states:])
    if states and not node.input[0]:
        raise _refuse(scope, node, "Scan of opset 8 has no kernel", "convert the model to opset 9 or later")
    axes = _ints(node, "scan_input_axes", count)
    backwards = _ints(node, "scan_input_directions", count)
    made = len(body.output) - states
    out_axes, out_backwards = (_ints(node, f"scan_output_{key}", made) for key in ("axes", "directions"))
    shapes = [scope.type_of(name)[1] for name in sequences]
    axes = [axis + len(shape) if axis < 0 else axis for axis, shape in zip(axes, shapes, strict=True)]
    turns = shapes[0][axes[0]]
    _check_turns(scope, node, turns)
    carried = list(node.input[:states])
    stacks: list[list[str]] = [[] for _ in range(made)]
    for turn in range(turns):
        prefix = f"{node.name}/{turn}"
        parts = []
        for index, (name, axis) in enumerate(zip(sequences, axes, strict=True)):
            place = turns - 1 - turn if backwards[index] else turn
            at = scope.constant(f"{prefix}/at{index}", np.array(place, np.int64))
            part = f"{prefix}/in{index}"
            scope.write("Gather", [name, at], [part], f"{prefix}/gather{index}", axis=axis)
            parts.append(part)
        names = [value.name for value in body.input]
        results = scope.write_body(body, dict(zip(names, [*carried, *parts], strict=True)), prefix)
        carried = results[:states]
        for stack, value in zip(stacks, results[states:], strict=True):
            stack.append(value)
    for index, (value, name) in enumerate(zip(carried, node.output, strict=False)):
        if name:
            scope.write("Identity", [value], [name], f"{node.name}/carried{index}")
    for index, stack in enumerate(stacks):
        name = node.output[states + index] if states + index < len(node.output) else ""
        if name:
            ordered = stack[::-1] if out_backwards[index] else stack
            _stack(scope, node, ordered, (name, out_axes[index]), f"{node.name}/stack{index}")


def _check_turns(scope: Scope, node: onnx.NodeProto, turns: int) -> None:
    if turns > MAX_TURNS:
        why = f"{turns:,} turns; up to {MAX_TURNS:,} are written out"
        raise _refuse(scope, node, why, "shorten the sequence, or keep the loop outside of the model")


def _stack(
    scope: Scope, node: onnx.NodeProto, parts: list[str], result: tuple[str, int], prefix: str
) -> None:
    """Put the parts into one tensor: `result` is its name, and the dimension that counts the parts."""
    out, axis = result
    if not parts:
        raise _refuse(scope, node, "it makes an empty sequence", "give it at least one turn")
    rank = len(scope.type_of(parts[0])[1]) + 1
    axes = scope.constant(f"{prefix}/axes", np.array([axis % rank], np.int64))
    wide = []
    for index, part in enumerate(parts):
        wide.append(f"{prefix}/{index}")
        scope.write("Unsqueeze", [part, axes], [wide[-1]], f"{prefix}/unsqueeze{index}")
    scope.write("Concat", wide, [out], prefix, axis=axis % rank)


CONTROL: dict[str, Callable[[Scope, onnx.NodeProto], None]] = {"If": conditional, "Loop": loop, "Scan": scan}
