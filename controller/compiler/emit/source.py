"""The C source of a module: one function for each layer, calling kernels with constant shapes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from controller.compiler.emit.constants import ConstantBlock, format_float
from controller.compiler.ir import FLOAT, Graph
from controller.compiler.plan.steps import STATE, Argument, Call, Constant, Params, Plan, Step, Template

_RESERVED = ("fleet_", "__", "mem", "arena", "constants", "layer_", "params_")

_HEAD = """\
#include "fleet_abi.h"
#include "fleet_kernels.h"

#define ARENA(offset) ((void *)(arena + (offset)))
#define STATE(offset) ARENA(%(state)d + (offset))
#define CONSTANT(offset) ((const void *)(constants + (offset)))
#define LAYER(function, node) \\
    static __attribute__((noinline)) void function(void) __asm__(node); \\
    static void function(void)

extern const unsigned char constants[];
static _Alignas(16) unsigned char arena[%(memory)d];

__attribute__((address_space(1))) int32_t fleet_layer;
"""


def module_source(title: str, graph: Graph, plan: Plan, block: ConstantBlock) -> str:
    """The whole file.

    Args:
        title: One line for the reader.
        graph: For inputs and outputs.
        plan: What runs where.
        block: Where constants lie.
    """
    sizes = {"state": state_offset(plan), "memory": max(state_offset(plan) + plan.state_size, 16)}
    parts = [f"/* {_comment(title)} */\n" + _HEAD % sizes]
    parts.extend(_templates(plan))
    params = _params(plan)
    parts.extend(f"static const struct {kind} {name} = {value};" for (kind, value), name in params.items())
    parts.extend(_layer(index, step, plan, block, params) for index, step in enumerate(plan.steps))
    parts.append(_abi(graph, plan))
    return "\n".join(parts)


def state_offset(plan: Plan) -> int:
    """Where the state block lies, bytes from the begin of the arena: right behind it."""
    return -(-plan.arena // 16) * 16


def _templates(plan: Plan) -> Iterator[str]:
    """Each kernel that is compiled for this module alone, once."""
    seen: dict[str, Template] = {}
    for call in (call for step in plan.steps for call in step.calls):
        if call.template is None or call.kernel in seen:
            if call.template != seen.get(call.kernel):
                raise ValueError(f"two templates are called {call.kernel}")
            continue
        seen[call.kernel] = call.template
        defines = [f"#define {name} {value}" for name, value in call.template.defines]
        names = [name.split("(")[0] for name, _ in call.template.defines]
        yield "\n".join(
            [
                f"#define FLEET_KERNEL {call.kernel}",
                *defines,
                f'#include "general/{call.template.file}"',
                *(f"#undef {name}" for name in ("FLEET_KERNEL", *names)),
                "",
            ]
        )


def _params(plan: Plan) -> dict[tuple[str, str], str]:
    """A name for each different structure of parameters, by its type and value: layers alike share one."""
    different = dict.fromkeys(
        (call.struct, _struct(call.params)) for step in plan.steps for call in step.calls
    )
    return {key: f"params_{number}" for number, key in enumerate(different)}


def _layer(
    index: int, step: Step, plan: Plan, block: ConstantBlock, params: dict[tuple[str, str], str]
) -> str:
    shape = ", ".join(str(size) for size in step.shape)
    lines = [
        f"/* {index}: {_comment(step.detail)}, {step.dtype}[{shape}] */",
        f"LAYER(layer_{index}, {_symbol(step.name)})",
        "{",
    ]
    for call in step.calls:
        lines.extend(_call(index, call, params[call.struct, _struct(call.params)], plan, block))
    return "\n".join([*lines, "}", ""])


def _call(index: int, call: Call, params: str, plan: Plan, block: ConstantBlock) -> Iterator[str]:
    arguments = [f"&{params}", *(_argument(argument, plan, block) for argument in call.arguments)]
    if call.scratch is not None:
        yield f'    _Static_assert({call.scratch.macro} == {call.scratch.nbytes}, "scratch as planned");'
        arguments.append(f"ARENA({plan.scratch[index]})" if call.scratch.nbytes else "0")
    yield f"    {call.kernel}({', '.join(arguments)});"


def _argument(argument: Argument, plan: Plan, block: ConstantBlock) -> str:
    if isinstance(argument, Constant):
        return f"CONSTANT({block.offset(argument)})"
    return _place(plan, argument.tensor, argument.offset)


def _place(plan: Plan, tensor: str, offset: int = 0) -> str:
    if tensor in plan.state:
        return f"STATE({plan.state[tensor] + offset})"
    return f"ARENA({plan.offsets[tensor] + offset})"


def _struct(params: Params) -> str:
    return "{" + ", ".join(f".{key} = {_value(value)}" for key, value in params.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return _struct(value)
    if isinstance(value, list):
        return "{" + ", ".join(_value(item) for item in value) + "}"
    if isinstance(value, np.float32):
        return format_float(value)
    return value.hex() if isinstance(value, float) else str(int(value))


def _symbol(name: str) -> str:
    """An ONNX node name as a C string; a name that the program itself uses gets a slash in front."""
    taken = name.startswith(_RESERVED) or name in ("run", "input", "output", "layers", "run_layer", "reset")
    text = f"/{name}" if taken else name
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{escaped}"'


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("\n", " ")


def _abi(graph: Graph, plan: Plan) -> str:
    count = len(plan.steps)
    # Carrying the state on ends a run.
    carried = [index for index, step in enumerate(plan.steps) if step.op == STATE]
    checks = [
        f"    {{ static const struct fleet_all_finite_params p = {{.count = {graph.tensors[name].size}}}; "
        f"if (!fleet_all_finite_f32(&p, {_place(plan, name)})) return FLEET_RUN_NONFINITE; }}"
        for name in dict.fromkeys([*graph.outputs, *graph.state.values()])
        if graph.tensors[name].dtype == FLOAT
    ]
    result = "finish()" if checks else "FLEET_RUN_OK"
    kept = "if (finish() == FLEET_RUN_OK) " if checks else ""
    cases = [
        f"    case {index}: {kept if index in carried else ''}layer_{index}(); break;"
        for index in range(count)
    ]
    runs = [f"    fleet_layer = {index}; layer_{index}();" for index in range(count)]
    end = [f"    return {result};"]
    if carried and checks:
        end = ["    return FLEET_RUN_OK;"]
        runs.insert(carried[0], "    if (finish() != FLEET_RUN_OK) return FLEET_RUN_NONFINITE;")
    return "\n".join(
        [
            *(
                ["static int32_t finish(void)", "{", *checks, "    return FLEET_RUN_OK;", "}", ""]
                if checks
                else []
            ),
            "int32_t fleet_abi(void) { return FLEET_ABI_VERSION; }",
            f"int32_t fleet_layers(void) {{ return {count}; }}",
            "",
            *_pointers("fleet_input", [_place(plan, name) for name in graph.inputs]),
            *_pointers("fleet_output", [_place(plan, name) for name in graph.outputs]),
            *_output_dims(graph, plan),
            *_reset(plan),
            "int32_t fleet_run(void)",
            "{",
            *runs,
            *end,
            "}",
            "",
            "int32_t fleet_run_layer(int32_t i)",
            "{",
            "    fleet_layer = i;",
            "    switch (i) {",
            *cases,
            "    default: __builtin_trap();",
            "    }",
            f"    return i == {count - 1} ? {result} : FLEET_RUN_OK;",
            "}",
            "",
        ]
    )


def _pointers(function: str, places: list[str], head: Sequence[str] = ()) -> list[str]:
    cases = [f"    case {index}: return {place};" for index, place in enumerate(places)]
    return [
        f"void *{function}(int32_t i)",
        "{",
        *head,
        "    switch (i) {",
        *cases,
        "    default: __builtin_trap();",
        "    }",
        "}",
        "",
    ]


def _output_dims(graph: Graph, plan: Plan) -> list[str]:
    """Of modules with an output whose size depends on data only."""
    if not graph.dims:
        return []
    head, places = [], []
    for index, name in enumerate(graph.outputs):
        if name in graph.dims:
            places.append(_place(plan, graph.dims[name]))
            continue
        sizes = ", ".join(map(str, graph.tensors[name].shape)) or "0"
        head.append(f"    static int32_t dims_{index}[] = {{{sizes}}};")
        places.append(f"dims_{index}")
    return _pointers("fleet_output_dims", places, head)


def _reset(plan: Plan) -> list[str]:
    """Of modules with state only."""
    if not plan.state_size:
        return []
    return [
        "void fleet_reset(void)",
        "{",
        "    unsigned char *state = STATE(0);",
        f"    for (int32_t i = 0; i < {plan.state_size}; ++i) {{",
        "        state[i] = 0;",
        "    }",
        "}",
        "",
    ]
