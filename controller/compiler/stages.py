"""The stages that every compilation shares, whether its model belongs to a project or not."""

import copy
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePath
from typing import Self

from controller.compiler import resources
from controller.compiler.emit import CompiledModule, Header, emit
from controller.compiler.emit.toolchain import toolchain_version
from controller.compiler.errors import CalibrationError
from controller.compiler.frontend import Model, Source, carry, import_model, read
from controller.compiler.ir import Graph, verify
from controller.compiler.passes import FLOAT_PASSES, QUANTIZED_PASSES, apply, assign_layout
from controller.compiler.passes.equalization import cross_layer_equalization
from controller.compiler.plan import Plan, plan
from controller.compiler.progress import Progress
from controller.compiler.quantize import (
    Calibration,
    Quantization,
    calibrate,
    keep_scales,
    quantize,
    take_scales,
)
from controller.compiler.samples import Samples
from controller.compiler.targets import Target


@dataclass(frozen=True)
class Request:
    """What is asked of the model besides its file.

    Attributes:
        name: Of the graph; after the file unless given.
        shapes: For inputs whose size is open.
        state: Inputs that the module keeps, each with the output that takes its place for the next run.
    """

    name: str | None
    shapes: Mapping[str, Sequence[int]]
    state: Mapping[str, str]


class Stage:
    """One stage while it runs; a context manager.

    Attributes:
        detail: Its result in one line, to be set before it ends.
    """

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


def read_stage(model: Model, request: Request, progress: Progress) -> tuple[Source, Graph]:
    """ONNX to float graph, cleaned up; to an int8 graph if the file is quantized already.

    Raises:
        CompileError: The model is not sound, or does not compile; see `frontend`.
    """
    with Stage(progress, "read") as stage:
        source = read(model)
        graph = import_model(source, request.shapes, request.name or _name(source.name))
        carry(graph, request.state, source.where)
        take_scales(graph)
        apply(graph, FLOAT_PASSES)
        graph = keep_scales(graph)
        apply(graph, QUANTIZED_PASSES)
        nodes = len(source.model.graph.node)
        stage.detail = f"{source.name}  sha256:{source.digest[:4]}…  {nodes} nodes, opset {source.opset}"
    return source, graph


def _name(file: str) -> str:
    """A module's name after a file's."""
    plain = re.sub("[^a-z0-9]+", "-", PurePath(file).stem.lower()).strip("-")
    return plain[:63].strip("-") or "model"


@dataclass(frozen=True)
class Int8:
    """How a model gets to int8.

    Attributes:
        samples: Calibration data.
        method: A key of `quantize.METHODS`.
        keep_float: Names of nodes that stay float32.
        operators: The operators that may become int8; None for all.
        equalize: Whether `cross_layer_equalization` runs before.
        weight_bits: Of the weights of products; 7 where a target's products take no more.
    """

    samples: Samples
    method: str
    keep_float: Sequence[str] = ()
    operators: Sequence[str] | None = None
    equalize: bool = False
    weight_bits: int = 8

    @property
    def text(self) -> str:
        """In a few words, as provenance states it."""
        equalized = ", equalized" if self.equalize else ""
        narrow = f", {self.weight_bits}-bit weights" if self.weight_bits < 8 else ""
        return f"{self.method}{equalized}{narrow}"


@dataclass(frozen=True)
class Calibrated:
    """A float graph about to be quantized, and what calibration data told about its tensors."""

    graph: Graph
    calibration: Calibration
    way: Int8


def calibrate_stage(source: Source, graph: Graph, way: Int8, progress: Progress) -> Calibrated:
    """Observe the float model on the samples; the graph is left as it is.

    Raises:
        BrokenModelError: The float model does not run.
        CalibrationError: The model has state, or the file is quantized already.
    """
    if graph.state:
        raise CalibrationError(
            "a model with state is compiled in float32 only: samples do not tell what state they meet",
            where=source.where,
            remedy="leave out the calibration data, or compile without state",
        )
    if any(tensor.quant is not None for tensor in graph.tensors.values()):
        raise CalibrationError(
            "the file is quantized already, so calibration data has nothing to say",
            where=source.where,
            remedy="compile it without calibration data, or give the float model",
        )
    with Stage(progress, "calibrate") as stage:
        divisors = {}
        if way.equalize:
            graph = copy.deepcopy(graph)
            divisors = cross_layer_equalization(graph)
            verify(graph, "cross_layer_equalization")
        calibration = calibrate(source, graph, way.samples, way.method, progress, divisors=divisors)
        stage.detail = f"{len(way.samples):,} samples   {way.text}"
    return Calibrated(graph, calibration, way)


def weight_bits(targets: Iterable[Target]) -> int:
    """What the targets of one release, which answer alike, have in common."""
    return 7 if any(target.relaxed for target in targets) else 8


def rewrite(calibrated: Calibrated, kept: Mapping[str, str] | None = None) -> Quantization:
    """Float graph to int8 graph.

    Args:
        calibrated: From `calibrate_stage`.
        kept: Nodes that stay float32 besides those that were asked for, each with the reason.

    Raises:
        CalibrationError: `keep_float` names what is not there.
    """
    way = calibrated.way
    keep_float = {**(kept or {}), **dict.fromkeys(way.keep_float, "asked for")}
    done = quantize(calibrated.graph, calibrated.calibration, keep_float, way.operators, way.weight_bits)
    verify(done.graph, "quantize", lowered=True)
    apply(done.graph, QUANTIZED_PASSES)
    return done


def quantize_stage(calibrated: Calibrated, progress: Progress) -> Quantization:
    """Float graph to int8 graph, by what the samples show.

    Raises:
        CalibrationError: `keep_float` names what is not there.
    """
    with Stage(progress, "quantize") as stage:
        done = rewrite(calibrated)
        stage.detail = done.text
    return done


def compile_stage(graph: Graph, target: Target, header: Header, progress: Progress) -> CompiledModule:
    """Graph to module; the graph is left as it is.

    Raises:
        UnsupportedError: It needs more memory than a module may have.
        ToolchainError: Clang or the linker failed.
    """
    with Stage(progress, "compile") as stage:
        laid_out = copy.deepcopy(graph)
        assign_layout(laid_out)
        verify(laid_out, "assign_layout", lowered=True)
        steps = plan(laid_out, target)
        module = emit(laid_out, steps, target, header)
        stage.detail = _compiled(module, steps)
    return module


def _compiled(module: CompiledModule, steps: Plan) -> str:
    macs = sum(step.macs for step in steps.steps)
    return (
        f"{module.target:5s} {len(module.wasm) / 1024:.1f} KiB   arena {steps.arena / 1024:.1f} KiB "
        f"(bound {steps.bound / 1024:.1f})   {macs / 1e6:.2f} MMAC"
    )


def compiler_digest() -> str:
    """SHA-256 over the sources of this compiler and its kernels."""
    digest = sha256()
    for path in resources.compiler_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def provenance(source: Source, way: Int8 | None, document: bytes) -> dict[str, str]:
    """What a module was made of. Only what does not depend on the folder: it is a part of the module."""
    entries = {
        "onnx": source.digest,
        "graph": sha256(document).hexdigest(),
        "compiler": compiler_digest(),
        "toolchain": toolchain_version(),
    }
    if way is None:
        return entries
    return entries | {"calibration": way.samples.digest, "quantization": way.text}
