"""From any ONNX file to one module: no project, no release."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from controller.compiler.emit import CompiledModule, Header
from controller.compiler.errors import CalibrationError
from controller.compiler.frontend import Model
from controller.compiler.ir import Array, Graph
from controller.compiler.ir.document import encode
from controller.compiler.progress import Progress, Silent
from controller.compiler.quantize.ranges import METHODS
from controller.compiler.samples import Samples, check_samples, load_samples
from controller.compiler.stages import (
    Int8,
    Request,
    calibrate_stage,
    compile_stage,
    provenance,
    quantize_stage,
    read_stage,
    weight_bits,
)
from controller.compiler.targets import find_target

VERSION = "0.0.0"
"""Of modules that belong to no release."""


def compile_model(  # noqa: PLR0913 - what can be said about one compilation
    source: Model,
    *,
    target: str = "simd",
    shapes: Mapping[str, Sequence[int]] | None = None,
    calibration: Path | str | Mapping[str, Array] | None = None,
    method: str = "mse",
    keep_float: Sequence[str] = (),
    operators: Sequence[str] | None = None,
    equalize: bool = False,
    state: Mapping[str, str] | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> CompiledModule:
    """Compile an ONNX model: in float32, or in int8 if calibration data is given.

    The module is not compared with the oracle; `build` does that.

    Args:
        source: A file, its bytes, or a model in memory. Only a file can have external data.
        target: "relaxed", "simd" or "mvp".
        shapes: Shape of each input whose size is open.
        calibration: One array for each ONNX input, first axis = sample; or a file or folder of such arrays,
            see `samples.load_samples`.
        method: How ranges are chosen from calibration data: "mse", "minmax", "percentile" or "entropy".
        keep_float: Names of ONNX nodes that stay float32.
        operators: The ONNX operators that may become int8, for example Conv and MatMul; all unless given.
        equalize: Whether channels between layers are made of similar size before (cross-layer equalization).
        state: Inputs that the module keeps from run to run, each with the output that becomes its next value.
        name: Of the module; from the file's name unless given.
        progress: Told of every stage.

    Raises:
        BrokenModelError: The model is not sound.
        DynamicShapeError: The size of an input is open.
        UnsupportedError: A node has no kernel.
        CalibrationError: The calibration data does not fit.
        StateError: `state` does not fit the model.
        ToolchainError: Clang or the linker failed.
    """
    progress = progress or Silent()
    if method not in METHODS:
        raise CalibrationError(f"unknown method {method}", remedy=f"methods: {', '.join(METHODS)}")
    machine = find_target(target)
    sound, graph = read_stage(source, Request(name, shapes or {}, state or {}), progress)
    way = None
    if calibration is not None:
        bits = weight_bits([machine])
        way = Int8(_samples(calibration, graph), method, keep_float, operators, equalize, bits)
        graph = quantize_stage(calibrate_stage(sound, graph, way, progress), progress).graph
    header = Header(graph.name, VERSION, provenance=provenance(sound, way, encode(graph)))
    return compile_stage(graph, machine, header, progress)


def _samples(calibration: Path | str | Mapping[str, Array], graph: Graph) -> Samples:
    if isinstance(calibration, Mapping):
        return check_samples(calibration, graph, "calibration")
    return load_samples(Path(calibration), graph, "calibration")
