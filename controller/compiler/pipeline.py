"""From a project to its modules: the stages of a build, in order."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from controller.compiler.accuracy import Accuracy, Judge, require
from controller.compiler.check import check
from controller.compiler.emit import CompiledModule, Header
from controller.compiler.execute import Instance
from controller.compiler.frontend import Source
from controller.compiler.ir import FLOAT, Array, Graph, Tensor
from controller.compiler.ir.document import encode
from controller.compiler.mixed_precision import MixedPrecision
from controller.compiler.progress import Progress, Silent
from controller.compiler.project import ModelProject, Quantize
from controller.compiler.quantize import Quantization
from controller.compiler.reference import FloatModel
from controller.compiler.samples import Samples, load_samples
from controller.compiler.source import onnx_file
from controller.compiler.stages import (
    Calibrated,
    Int8,
    Request,
    Stage,
    calibrate_stage,
    compile_stage,
    provenance,
    quantize_stage,
    read_stage,
    weight_bits,
)
from controller.compiler.targets import Target, find_target
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
    max_drop: float | None = None,
) -> Build:
    """Compile a project for its targets and prove that all compute the same.

    Where int8 costs more accuracy than it may, layers go back to float32, see `mixed_precision`.

    Args:
        project: From `ModelProject.load`.
        progress: Told of every stage.
        shapes: Shapes of inputs, before those of the project.
        targets: Instead of the project's.
        max_drop: Percentage points that int8 may cost, before the project's budget. Without evaluation data
            this is the share of calibration samples whose answer may change.

    Raises:
        CompileError: The model, the project or its data cannot be used; see `errors`.
        CheckError: Targets and oracle differ, or accuracy is below the budget.
    """
    progress = progress or Silent()
    chosen = [find_target(name) for name in targets or project.targets]
    request = Request(project.name, {**project.shapes, **(shapes or {})}, project.state)
    source, graph = read_stage(onnx_file(project, progress), request, progress)
    calibrated, done = None, Quantization(graph, ())
    if project.quantize is not None and not project.is_float:
        way = _way(project.quantize, project, graph, weight_bits(chosen))
        calibrated = calibrate_stage(source, graph, way, progress)
        done = quantize_stage(calibrated, progress)
    judge = _judge(project, source, graph, calibrated, max_drop)
    maker = _Maker(project, source, chosen, judge, progress)
    made = maker.make(calibrated, done)
    if judge is not None and calibrated is not None and made.accuracy and not made.accuracy.holds:
        with Stage(progress, "search") as stage:
            search = MixedPrecision(source, calibrated, judge, chosen[0], progress)
            calibrated, done = search.run(made.accuracy)
            stage.detail = done.text
        made = maker.make(calibrated, done)
    if made.accuracy is not None:
        require(made.accuracy, project.name)
    revision = _revision(project.folder)
    origin = made.origin | ({"revision": revision} if revision else {})
    return Build(
        project.name,
        project.version,
        made.modules,
        made.document,
        origin,
        made.accuracy,
        project,
        done.int8,
        done.kept,
    )


@dataclass(frozen=True)
class _Made:
    """One graph, compiled for every target, checked and measured."""

    modules: dict[str, CompiledModule]
    document: bytes
    origin: dict[str, str]
    accuracy: Accuracy | None


@dataclass(frozen=True)
class _Maker:
    """From a graph to its modules: the stages after quantization."""

    project: ModelProject
    source: Source
    targets: Sequence[Target]
    judge: Judge | None
    progress: Progress

    def make(self, calibrated: Calibrated | None, done: Quantization) -> _Made:
        document = encode(done.graph)
        way = calibrated.way if calibrated is not None else None
        origin = provenance(self.source, way, document)
        header = Header(self.project.name, self.project.version, tuple(self.project.labels), origin)
        modules = {t.name: compile_stage(done.graph, t, header, self.progress) for t in self.targets}
        samples = way.samples if way is not None else None
        if self.judge is not None:
            samples = self.judge.samples
        with Stage(self.progress, "check") as stage:
            inputs = _inputs(modules, _check_count(modules), samples)
            stage.detail = check(modules, document, inputs, self.progress)
        return _Made(modules, document, origin, self._accuracy(modules))

    def _accuracy(self, modules: Mapping[str, CompiledModule]) -> Accuracy | None:
        if self.judge is None:
            return None
        with Stage(self.progress, "accuracy") as stage:
            accuracy = self.judge.measure(next(iter(modules.values())), self.progress)
            stage.detail = accuracy.text
        return accuracy


def _way(table: Quantize, project: ModelProject, graph: Graph, bits: int) -> Int8:
    samples = load_samples(project.path(table.calibration or ""), graph, "calibration")
    return Int8(samples, table.method, table.keep_float, table.operators, table.equalize, bits)


def _judge(
    project: ModelProject,
    source: Source,
    graph: Graph,
    calibrated: Calibrated | None,
    max_drop: float | None,
) -> Judge | None:
    """Who measures accuracy: with the evaluation data, else by the calibration data if a limit is set."""
    if project.evaluate is not None:
        samples = load_samples(project.path(project.evaluate.data), graph, "evaluation", labelled=True)
        budget = project.evaluate.budget if max_drop is None else max_drop
        return Judge(FloatModel(source, graph), samples, budget)
    if max_drop is not None and calibrated is not None:
        samples = replace(calibrated.way.samples, labels=None)
        return Judge(FloatModel(source, graph), samples, max_drop)
    return None


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
