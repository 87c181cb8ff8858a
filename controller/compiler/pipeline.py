"""From a project to its modules: the stages of a build, in order."""

import copy
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

import numpy as np

from controller.compiler import resources
from controller.compiler.accuracy import Accuracy, measure, require
from controller.compiler.check import check
from controller.compiler.emit import CompiledModule, Header, emit
from controller.compiler.emit.toolchain import toolchain_version
from controller.compiler.execute import Instance
from controller.compiler.frontend import Source, import_model, read
from controller.compiler.ir import FLOAT, Array, Graph, Tensor, verify
from controller.compiler.ir.document import encode
from controller.compiler.passes import FLOAT_PASSES, QUANTIZED_PASSES, apply, assign_layout
from controller.compiler.plan import Plan, plan
from controller.compiler.progress import Progress, Silent
from controller.compiler.project import ModelProject, Quantize
from controller.compiler.quantize import Quantization, observe, quantize
from controller.compiler.reference import FloatModel
from controller.compiler.samples import Samples, load_samples
from controller.compiler.source import onnx_file
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
    stages = _Stages(progress or Silent())
    chosen = [find_target(name) for name in targets or project.targets]
    source, graph = _read(project, {**project.shapes, **(shapes or {})}, stages)
    samples = None
    done = Quantization(graph, ())
    if project.quantize is not None and not project.is_float:
        samples = load_samples(project.path(project.quantize.calibration or ""), graph, "calibration")
        done = _quantize(project.quantize, source, graph, samples, stages)
    document = encode(done.graph)
    provenance = _provenance(source, samples, document)
    header = Header(project.name, project.version, tuple(project.labels), provenance)
    modules = {}
    for target in chosen:
        with stages.stage("compile") as stage:
            laid_out = copy.deepcopy(done.graph)
            assign_layout(laid_out)
            verify(laid_out, "assign_layout", lowered=True)
            steps = plan(laid_out, target)
            modules[target.name] = emit(laid_out, steps, target, header)
            stage.detail = _compiled(modules[target.name], steps)
    evaluation = None
    if project.evaluate is not None:
        evaluation = load_samples(project.path(project.evaluate.data), graph, "evaluation", labelled=True)
    with stages.stage("check") as stage:
        inputs = _inputs(modules, _check_count(modules), evaluation or samples)
        check(modules, document, inputs, stages.progress)
        stage.detail = f"{' = '.join(modules)} = oracle, {len(inputs)} inputs, bit for bit"
    accuracy = None
    if evaluation is not None and project.evaluate is not None:
        with stages.stage("accuracy") as stage:
            module = next(iter(modules.values()))
            budget = project.evaluate.budget
            accuracy = measure(FloatModel(source, graph), module, evaluation, budget, stages.progress)
            stage.detail = accuracy.text
        require(accuracy, project.name)
    revision = _revision(project.folder)
    if revision:
        provenance = provenance | {"revision": revision}
    return Build(
        project.name, project.version, modules, document, provenance, accuracy, project, done.int8, done.kept
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


def _read(
    project: ModelProject, shapes: Mapping[str, Sequence[int]], stages: "_Stages"
) -> tuple[Source, Graph]:
    path = onnx_file(project, stages.progress)
    with stages.stage("read") as stage:
        source = read(path)
        graph = import_model(source, shapes, project.name)
        apply(graph, FLOAT_PASSES)
        nodes = len(source.model.graph.node)
        stage.detail = f"{path.name}  sha256:{source.digest[:4]}…  {nodes} nodes, opset {source.opset}"
    return source, graph


def _quantize(
    options: Quantize, source: Source, graph: Graph, samples: Samples, stages: "_Stages"
) -> Quantization:
    with stages.stage("calibrate") as stage:
        histograms = observe(source, graph, samples, stages.progress)
        stage.detail = f"{len(samples):,} samples   {options.method}"
    with stages.stage("quantize") as stage:
        done = quantize(graph, histograms, options.method, options.keep_float)
        verify(done.graph, "quantize", lowered=True)
        apply(done.graph, QUANTIZED_PASSES)
        kept = "; ".join(f"{name}: {reason}" for name, reason in done.kept.items())
        stage.detail = f"{len(done.int8)} layers int8, {len(done.kept)} float32{f' ({kept})' if kept else ''}"
    return done


def _compiled(module: CompiledModule, steps: Plan) -> str:
    macs = sum(step.macs for step in steps.steps)
    return (
        f"{module.target:5s} {len(module.wasm) / 1024:.1f} KiB   arena {steps.arena / 1024:.1f} KiB "
        f"(bound {steps.bound / 1024:.1f})   {macs / 1e6:.2f} MMAC"
    )


def _provenance(source: Source, samples: Samples | None, document: bytes) -> dict[str, str]:
    """Only what does not depend on the folder: it is a part of the module."""
    digest = sha256()
    for path in resources.compiler_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    entries = {
        "onnx": source.digest,
        "graph": sha256(document).hexdigest(),
        "compiler": digest.hexdigest(),
        "toolchain": toolchain_version(),
    }
    return entries | ({"calibration": samples.digest} if samples is not None else {})


def _revision(folder: Path) -> str | None:
    """The revision of the checkout that the project is in, marked if it has changes."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    return done.stdout.strip() or None if done.returncode == 0 else None


class _Stage:
    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name
        self.detail = ""

    def __enter__(self) -> Self:
        self._progress.begin(self._name)
        self._start = time.monotonic()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._progress.end(self._name, self.detail, time.monotonic() - self._start)


class _Stages:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def stage(self, name: str) -> _Stage:
        return _Stage(self.progress, name)
