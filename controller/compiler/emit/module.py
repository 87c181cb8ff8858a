"""One compiled module: machine code, constants and metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import wasmtime

from controller.compiler.emit.calls import state_offset
from controller.compiler.emit.constants import ConstantBlock, lay_out
from controller.compiler.emit.host import is_hosts, lay_out_structs
from controller.compiler.emit.layers import layer_table
from controller.compiler.emit.source import module_source
from controller.compiler.emit.toolchain import CARRIED_STACK, HOST_STACK, build_host_wasm, build_wasm
from controller.compiler.emit.wasm import append_meta, find_block, finish
from controller.compiler.ir import Graph, Tensor
from controller.compiler.plan.steps import Plan
from controller.compiler.targets import Target
from protocol.module import ABI, HEAP_BASE, LayerMeta, ModuleMeta, Region, TensorMeta, check


@dataclass(frozen=True)
class Header:
    """What metadata says beyond the graph.

    Attributes:
        labels: Names of the classes, in the order of the last dimension of the output that has as many.
        provenance: Digests; only such as do not depend on where the build runs.
    """

    name: str
    version: str
    labels: tuple[str, ...] = ()
    provenance: Mapping[str, str] | None = None


@dataclass(frozen=True)
class CompiledModule:
    """A module for one target.

    Attributes:
        target: Name of the target.
        wasm: The file.
        meta: Its metadata.
        cuts: Offsets in the file where one part ends and the next begins: code, then biases, multipliers
            and tables, then each weight tensor, then names and metadata. Ascending, without 0 and the
            file's size.
        outputs: For each layer the tensor of the graph that it makes, and the memory order of its dimensions.
    """

    target: str
    wasm: bytes
    meta: ModuleMeta
    cuts: tuple[int, ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...] = ()


def emit(graph: Graph, plan: Plan, target: Target, header: Header) -> CompiledModule:
    """Compile a plan.

    Args:
        graph: The graph of the plan.
        plan: For the same target.
        target: What to compile for.
        header: For the metadata.

    Raises:
        ToolchainError: Clang or the linker failed.
    """
    block = lay_out(constant for step in plan.steps for constant in step.constants)
    host = lay_out_structs(plan, block) if target.host else None
    block = host.block if host else block
    title = f"{header.name} {header.version} for {target.name}, written by fleet build"
    source = module_source(title, graph, plan, block, host)
    if host:
        stack = HOST_STACK if all(map(is_hosts, plan.calls)) else CARRIED_STACK
        wasm = finish(build_host_wasm(source, target, stack), block.data)
    else:
        wasm = finish(build_wasm(source, block.data, target))
    meta = _meta(graph, plan, target, header, _link(wasm, graph, plan, block))
    code_end = len(wasm)
    cuts: list[int] = []
    if block.data:
        start = find_block(wasm, block.data)
        cuts = [start, *(start + cut for cut in block.cuts), start + len(block.data)]
        code_end = cuts[-1]
    wasm = append_meta(wasm, meta.encode())
    check(wasm)
    outputs = tuple((step.output, graph.tensors[step.output].order or ()) for step in plan.steps)
    return CompiledModule(target.name, wasm, meta, tuple(sorted({*cuts, code_end} - {0, len(wasm)})), outputs)


@dataclass(frozen=True)
class _Linked:
    """What is known once the linker has placed everything: addresses, and bytes of linear memory."""

    arena: int
    memory: int
    layers: tuple[LayerMeta, ...]


def _link(wasm: bytes, graph: Graph, plan: Plan, block: ConstantBlock) -> _Linked:
    """Ask the module itself where the linker put the arena and the constants."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    module = wasmtime.Module(engine, wasm)
    # Nothing is run that calls what a host has.
    imports = [
        wasmtime.Func(store, cast(wasmtime.FuncType, item.type), lambda *_: None) for item in module.imports
    ]
    exports = wasmtime.Instance(store, module, imports).exports(store)
    memory = bytes(cast(wasmtime.Memory, exports["memory"]).read(store))
    arena = int(cast(wasmtime.Func, exports["output"])(store, 0)) - plan.offsets[graph.outputs[0]]
    if HEAP_BASE not in exports:
        return _Linked(arena, len(memory), layer_table(graph, plan, block, arena, memory.find(block.data)))
    end = int(cast(wasmtime.Global, exports[HEAP_BASE]).value(store))
    return _Linked(arena, end, layer_table(graph, plan, block, arena, 0))


def _meta(graph: Graph, plan: Plan, target: Target, header: Header, linked: _Linked) -> ModuleMeta:
    state = linked.arena + state_offset(plan)
    return ModuleMeta(
        name=header.name,
        version=header.version,
        target=target.name,
        abi=ABI,
        inputs=tuple(_tensor(graph.tensors[name], ()) for name in graph.inputs),
        outputs=tuple(_tensor(graph.tensors[name], header.labels) for name in graph.outputs),
        layers=linked.layers,
        arena=Region(offset=linked.arena, size=plan.arena),
        arena_bound=plan.bound,
        memory=linked.memory,
        state=Region(offset=state, size=plan.state_size) if plan.state_size else None,
        provenance=dict(header.provenance or {}),
    )


def _tensor(tensor: Tensor, labels: tuple[str, ...]) -> TensorMeta:
    quant = tensor.quant
    return TensorMeta(
        name=tensor.name,
        dtype=tensor.dtype.name,
        shape=tensor.shape,
        scale=None if quant is None else float(quant.s),
        zero_point=None if quant is None else quant.zero_point,
        labels=labels if labels and tensor.shape[-1:] == (len(labels),) else None,
    )
