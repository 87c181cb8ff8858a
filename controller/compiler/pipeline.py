"""From a project to its modules: the stages of a build, in order."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from controller.compiler.accuracy import Accuracy, measure, require
from controller.compiler.check import check
from controller.compiler.emit import CompiledModule, Header
from controller.compiler.execute import Instance
from controller.compiler.ir import FLOAT, Array, Graph, Tensor
from controller.compiler.ir.document import encode
from controller.compiler.progress import Progress, Silent
from controller.compiler.project import ModelProject
from controller.compiler.quantize import Quantization
from controller.compiler.reference import FloatModel
from controller.compiler.samples import Samples, load_samples
from controller.compiler.source import onnx_file
from controller.compiler.stages import (
    Int8,
    Request,
    Stage,
    calibrate_stage,
    compile_stage,
    provenance,
    quantize_stage,
    read_stage,
)
from controller.compiler.targets import find_target
from protocol.golden import random_inputs

CHECKED_INPUTS = 64
_CHECK_MACS = 60_000_000
"""The oracle is slow: large models are checked on fewer inputs, but at least two."""


@dataclass(frozen=True)
class Build:
    """A compiled project.

    Attributes:
        modules: By target.
        graph: The graph document.
        provenance: What it was made of: SHA-256 digests (onnx, calibration, compiler, graph), toolchain,
            and the revision of the checkout where there is one.
        accuracy: Where the project has evaluation data.
        layers_int8: Names of the layers in int8.
        layers_float: Names of the layers left in float32 in an int8 model, with the reason.
    """

    name: str
    version: str
    modules: dict[str, CompiledModule]
    graph: bytes
    provenance: dict[str, str]
    accuracy: Accuracy | None
    project: ModelProject
    layers_int8: tuple[str, ...] = ()
    layers_float: Mapping[str, str] | None = None


def build(
    project: ModelProject,
    *,
    progress: Progress | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    targets: Sequence[str] | None = None,
) -> Build:
    """Compile a project for its targets and prove that all compute the same.

    Args:
        project: From `ModelProject.load`.
        progress: Told of every stage.
        shapes: Shapes of inputs, before those of the project.
        targets: Instead of the project's.

    Raises:
        CompileError: The model, the project or its data cannot be used; see `errors`.
        CheckError: Targets and oracle differ, or accuracy is below the budget.
    """
    progress = progress or Silent()
    chosen = [find_target(name) for name in targets or project.targets]
    request = Request(project.name, {**project.shapes, **(shapes or {})}, {})
    source, graph = read_stage(onnx_file(project, progress), request, progress)
    samples = None
    done = Quantization(graph, ())
    if project.quantize is not None and not project.is_float:
        samples = load_samples(project.path(project.quantize.calibration or ""), graph, "calibration")
        table = project.quantize
        way = Int8(samples, table.method, table.keep_float, table.operators, table.equalize)
        done = quantize_stage(calibrate_stage(source, graph, way, progress), progress)
    document = encode(done.graph)
    origin = provenance(source, samples, document)
    header = Header(project.name, project.version, tuple(project.labels), origin)
    modules = {target.name: compile_stage(done.graph, target, header, progress) for target in chosen}
    evaluation = None
    if project.evaluate is not None:
        evaluation = load_samples(project.path(project.evaluate.data), graph, "evaluation", labelled=True)
    with Stage(progress, "check") as stage:
        inputs = _inputs(modules, _check_count(modules), evaluation or samples)
        check(modules, document, inputs, progress)
        stage.detail = f"{' = '.join(modules)} = oracle, {len(inputs)} inputs, bit for bit"
    accuracy = None
    if evaluation is not None and project.evaluate is not None:
        with Stage(progress, "accuracy") as stage:
            module = next(iter(modules.values()))
            budget = project.evaluate.budget
            accuracy = measure(FloatModel(source, graph), module, evaluation, budget, progress)
            stage.detail = accuracy.text
        require(accuracy, project.name)
    revision = _revision(project.folder)
    if revision:
        origin |= {"revision": revision}
    return Build(
        project.name, project.version, modules, document, origin, accuracy, project, done.int8, done.kept
    )


def golden_inputs(project: ModelProject, build: Build, count: int) -> list[dict[str, Array]]:
    """Real inputs at the module's types: from the evaluation data, else the calibration data, evenly spread.

    A project without sample data gets pseudo-random inputs.

    Raises:
        CalibrationError: The data cannot be read.
    """
    samples = None
    name = project.evaluate.data if project.evaluate else None
    if name is None and project.quantize is not None:
        name = project.quantize.calibration
    if name is not None:
        # Only names, shapes and types of the inputs are needed here, as people see them.
        samples = load_samples(project.path(name), _interface(build), "sample")
    return _inputs(build.modules, count, samples)


def _interface(build: Build) -> Graph:
    """A graph of inputs alone."""
    meta = next(iter(build.modules.values())).meta
    graph = Graph(build.name, [tensor.name for tensor in meta.inputs])
    for tensor in meta.inputs:
        dtype = FLOAT if tensor.scale is not None else np.dtype(tensor.dtype)
        graph.tensors[tensor.name] = Tensor(tensor.name, dtype, tensor.shape)
    return graph


def _inputs(
    modules: Mapping[str, CompiledModule], count: int, samples: Samples | None
) -> list[dict[str, Array]]:
    module = next(iter(modules.values()))
    if samples is not None:
        instance = Instance(module.wasm)
        return [instance.quantize(sample) for sample in samples.spread(count)]
    return [
        {
            tensor.name: np.frombuffer(raw, np.dtype(tensor.dtype)).reshape(tensor.shape)
            for tensor, raw in zip(module.meta.inputs, random_inputs(seed, module.meta.inputs), strict=True)
        }
        for seed in range(1, count + 1)
    ]


def _check_count(modules: Mapping[str, CompiledModule]) -> int:
    macs = sum(layer.macs for layer in next(iter(modules.values())).meta.layers)
    return max(2, min(CHECKED_INPUTS, _CHECK_MACS // max(macs, 1)))


def _revision(folder: Path) -> str | None:
    """The revision of the checkout that the project is in, marked if it has changes."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    return done.stdout.strip() or None if done.returncode == 0 else None
