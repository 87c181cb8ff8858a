"""One compiled module: machine code, constants and metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import wasmtime

from controller.compiler.emit.constants import lay_out
from controller.compiler.emit.source import module_source
from controller.compiler.emit.toolchain import build_wasm
from controller.compiler.emit.wasm import append_meta, find_block, finish
from controller.compiler.ir import Graph, Tensor
from controller.compiler.plan.steps import Plan, Step
from controller.compiler.targets import Target
from protocol.module import ABI, LayerMeta, ModuleMeta, Region, TensorMeta, check, memory_pages

PAGE = 65536


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
    title = f"{header.name} {header.version} for {target.name}, written by fleet build"
    wasm = finish(build_wasm(module_source(title, graph, plan, block), block.data, target))
    meta = _meta(graph, plan, target, header, wasm)
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


def _arena_address(wasm: bytes, graph: Graph, plan: Plan) -> int:
    """Where the linker put the arena: asked of the module itself."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, wasm), [])
    output = cast(wasmtime.Func, instance.exports(store)["output"])
    return int(output(store, 0)) - plan.offsets[graph.outputs[0]]


def _meta(graph: Graph, plan: Plan, target: Target, header: Header, wasm: bytes) -> ModuleMeta:
    arena = _arena_address(wasm, graph, plan)
    return ModuleMeta(
        name=header.name,
        version=header.version,
        target=target.name,
        abi=ABI,
        inputs=tuple(_tensor(graph.tensors[name], ()) for name in graph.inputs),
        outputs=tuple(_tensor(graph.tensors[name], header.labels) for name in graph.outputs),
        layers=tuple(_layer(graph, step, plan, arena) for step in plan.steps),
        arena=Region(offset=arena, size=plan.arena),
        arena_bound=plan.bound,
        memory=memory_pages(wasm)[0] * PAGE,
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


def _layer(graph: Graph, step: Step, plan: Plan, arena: int) -> LayerMeta:
    return LayerMeta(
        name=step.name,
        op=step.op,
        detail=step.detail,
        dtype=step.dtype,
        shape=step.shape,
        macs=step.macs,
        weight_bytes=step.weight_bytes,
        offset=arena + plan.offsets[step.output],
        size=graph.tensors[step.output].nbytes,
    )
