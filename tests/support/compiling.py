"""Compiles a model in memory."""

from pathlib import Path

import onnx

from controller.compiler.emit import CompiledModule, Header, emit
from controller.compiler.frontend import import_model, read
from controller.compiler.passes import FLOAT_PASSES, apply, assign_layout
from controller.compiler.plan import plan
from controller.compiler.targets import find_target


def compile_graph(proto: onnx.ModelProto, folder: Path, target: str = "simd") -> CompiledModule:
    """Compile in float32, without checking against the oracle."""
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    graph = import_model(read(path), {}, "test")
    apply(graph, FLOAT_PASSES)
    assign_layout(graph)
    machine = find_target(target)
    return emit(graph, plan(graph, machine), machine, Header("test", "0.0.0"))
