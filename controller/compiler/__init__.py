"""The compiler: an ONNX file becomes a few small WebAssembly modules that all compute the same.

Folders follow the data:

    frontend/   ONNX → graph: shapes fixed, constants folded, operators normalized
    passes/     graph → graph: fusion, clean-up, memory layout
    quantize/   float graph → int8 graph, from calibration data
    ir/         what a graph is, what makes it legal, and its document
    plan/       graph → steps: kernels, packed weights, places in one arena
    emit/       steps → C → WebAssembly with metadata

`pipeline.build` runs them in order for a model project and checks the result against the oracle;
`single.compile_model` compiles any ONNX file to one module.
"""

from controller.compiler.accuracy import Accuracy
from controller.compiler.emit import CompiledModule
from controller.compiler.errors import (
    BrokenModelError,
    CalibrationError,
    CheckError,
    CompileError,
    DynamicShapeError,
    ProjectError,
    StateError,
    ToolchainError,
    TorchError,
    UnsupportedError,
)
from controller.compiler.execute import Instance
from controller.compiler.from_torch import export, is_torch
from controller.compiler.pipeline import Build, build, golden_inputs
from controller.compiler.progress import Progress, Silent
from controller.compiler.project import ModelProject
from controller.compiler.single import compile_model
from controller.compiler.trap import LayerTrap

__all__ = [
    "Accuracy",
    "BrokenModelError",
    "Build",
    "CalibrationError",
    "CheckError",
    "CompileError",
    "CompiledModule",
    "DynamicShapeError",
    "Instance",
    "LayerTrap",
    "ModelProject",
    "Progress",
    "ProjectError",
    "Silent",
    "StateError",
    "ToolchainError",
    "TorchError",
    "UnsupportedError",
    "build",
    "compile_model",
    "export",
    "golden_inputs",
    "is_torch",
]
