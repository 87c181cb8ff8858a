"""The C source of a module: one function for each layer, calling kernels with constant shapes."""

from collections.abc import Iterable, Iterator, Sequence

from controller.compiler.emit import host as host_calls
from controller.compiler.emit.calls import (
    assert_scratch,
    format_value,
    place,
    scratch_offset,
    state_offset,
    structures,
    write_call,
)
from controller.compiler.emit.constants import ConstantBlock
from controller.compiler.emit.host import HostBlock
from controller.compiler.emit.tables import Tables, tables
from controller.compiler.ir import FLOAT, Graph
from controller.compiler.plan.steps import STATE, Plan, Step, Template

_RESERVED = ("fleet_", "__", "mem", "arena", "constants", "layer_", "params_", "call_", "rows_")

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


def module_source(
    title: str, graph: Graph, plan: Plan, block: ConstantBlock, host: HostBlock | None = None
) -> str:
    """The whole file.

    Args:
        title: One line for the reader.
        graph: For inputs and outputs.
        plan: What runs where.
        block: Where constants lie.
        host: For a target whose kernels are the host's.
    """
    sizes = {"state": state_offset(plan), "memory": max(state_offset(plan) + plan.state_size, 16)}
    parts = [f"/* {_comment(title)} */\n" + _HEAD % sizes]
    parts.extend(_templates(plan))
    if host is None:
        shared = tables(plan, block)
        params = structures(plan, shared.rows)
        calls = _calls(plan, block, shared)
    else:
        hosts = {id(call) for step in plan.steps for call in step.calls if host_calls.is_hosts(call)}
        shared, params = Tables((host_calls.HEAD, *host_calls.prototypes(plan)), {}), structures(plan, hosts)
        calls = host_calls.write_calls(plan, host, params)
    parts.extend(f"static const struct {kind} {name} = {value};" for (kind, value), name in params.items())
    parts.extend(shared.source)
    parts.extend(_layer(index, *layer) for index, layer in enumerate(zip(plan.steps, calls, strict=True)))
    parts.append(_abi(graph, plan))
    return "\n".join(parts)


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


def _layer(index: int, step: Step, calls: Iterable[str]) -> str:
    shape = ", ".join(str(size) for size in step.shape)
    return "\n".join(
        [
            f"/* {index}: {_comment(step.detail)}, {step.dtype}[{shape}] */",
            f"LAYER(layer_{index}, {_symbol(step.name)})",
            "{",
            *calls,
            "}",
            "",
        ]
    )


def _calls(plan: Plan, block: ConstantBlock, shared: Tables) -> Iterator[list[str]]:
    """The lines of each step."""
    params = structures(plan, shared.rows)
    for index, step in enumerate(plan.steps):
        lines = []
        for call in step.calls:
            if call.scratch is not None:
                lines.append(assert_scratch(call.scratch))
            if id(call) in shared.rows:
                lines.append(f"    {shared.rows[id(call)]};")
                continue
            structure = params[call.struct, format_value(call.params)]
            lines.append(write_call(call, structure, scratch_offset(call, index, plan), plan, block))
        yield lines


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
        f"if (!fleet_all_finite_f32(&p, {place(plan, name)})) return FLEET_RUN_NONFINITE; }}"
        for name in dict.fromkeys([*graph.outputs, *graph.state.values()])
        if graph.tensors[name].dtype == FLOAT
    ]
    result = "finish()" if checks and not carried else "FLEET_RUN_OK"
    kept = "if (finish() != FLEET_RUN_OK) return FLEET_RUN_NONFINITE; " if checks else ""
    cases = [
        f"    case {index}: {kept if index in carried else ''}layer_{index}(); break;"
        for index in range(count)
    ]
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
            *_pointers("fleet_input", [place(plan, name) for name in graph.inputs]),
            *_pointers("fleet_output", [place(plan, name) for name in graph.outputs]),
            *_output_dims(graph, plan),
            *_reset(plan),
            "__attribute__((noinline))",
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
            "int32_t fleet_run(void)",
            "{",
            "    int32_t result = FLEET_RUN_OK;",
            f"    for (int32_t i = 0; i < {count} && result == FLEET_RUN_OK; ++i) {{",
            "        result = fleet_run_layer(i);",
            "    }",
            "    return result;",
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
            places.append(place(plan, graph.dims[name]))
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
