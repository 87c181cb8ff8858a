"""Compiles a model in memory."""

from pathlib import Path

import onnx

from controller.compiler.emit import CompiledModule, Header, emit
from controller.compiler.execute import Instance
from controller.compiler.frontend import import_model, read
from controller.compiler.ir import Graph
from controller.compiler.ir.document import encode
from controller.compiler.passes import FLOAT_PASSES, apply, assign_layout
from controller.compiler.plan import plan
from controller.compiler.targets import find_target
from device_agent.runner.engine import Engine
from device_agent.runner.tensor import Tensor


def _graph(proto: onnx.ModelProto, folder: Path) -> Graph:
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    graph = import_model(read(path), {}, "test")
    apply(graph, FLOAT_PASSES)
    return graph


def _emit(graph: Graph, target: str) -> CompiledModule:
    machine = find_target(target)
    return emit(graph, plan(graph, machine), machine, Header("test", "0.0.0"))


def compile_graph(proto: onnx.ModelProto, folder: Path, target: str = "simd") -> CompiledModule:
    """Compile in float32, without checking against the oracle."""
    graph = _graph(proto, folder)
    assign_layout(graph)
    return _emit(graph, target)


def compile_targets(proto: onnx.ModelProto, folder: Path) -> tuple[bytes, dict[str, Instance]]:
    """The graph document, and an instance of the module for each target; float32."""
    graph = _graph(proto, folder)
    document = encode(graph)
    assign_layout(graph)
    return document, {target: Instance(_emit(graph, target).wasm) for target in ("simd", "mvp")}


def engine(module: CompiledModule) -> Engine:
    """The module as an agent's runner has it."""
    tensors = {
        side: [Tensor(t.name, t.dtype, t.shape, t.scale, t.zero_point or 0) for t in metas]
        for side, metas in (("inputs", module.meta.inputs), ("outputs", module.meta.outputs))
    }
    layers = [[x.offset, x.size, x.dtype] for x in module.meta.layers]
    return Engine(module.wasm, None, tensors, layers, relaxed=module.target == "relaxed")
