"""From a model to a case: compiled for its targets, with inputs and the oracle's answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wasmtime

from controller.compiler import CompiledModule, Silent
from controller.compiler.emit import Header
from controller.compiler.execute import RUN_NONFINITE, RUN_OK
from controller.compiler.frontend import Model
from controller.compiler.ir.document import encode
from controller.compiler.samples import check_samples, load_samples
from controller.compiler.stages import (
    Int8,
    Request,
    calibrate_stage,
    compile_stage,
    quantize_stage,
    read_stage,
    weight_bits,
)
from controller.compiler.targets import find_target
from tests import oracle
from tests.engines.jobs import Answer, Job, Step

TARGETS = ("relaxed", "simd", "mvp")
SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-40, 3e38], np.float32)
Inputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A model, and what the oracle says of it.

    Attributes:
        jobs: By target; not all cases are for every target.
        names: Of the outputs.
        expected: For each step the status of `run`, and the outputs.
    """

    name: str
    jobs: Mapping[str, Job]
    names: Sequence[str]
    expected: Sequence[tuple[int, Sequence[np.ndarray]]]

    def differences(self, answers: Sequence[Answer]) -> list[str]:
        """What of an engine's answers is not what the oracle says."""
        wrong = []
        for step, ((status, outputs), answer) in enumerate(zip(self.expected, answers, strict=True)):
            if answer.status != status:
                wrong.append(f"{self.name}, step {step}: run gave {answer.status}, not {status}")
            for name, value, (sizes, raw) in zip(self.names, outputs, answer.outputs, strict=True):
                shape = sizes or value.shape
                found = np.frombuffer(raw, value.dtype)[: int(np.prod(shape))]
                if shape != value.shape or not oracle.same_class(found.reshape(shape), value):
                    wrong.append(f"{self.name}, step {step}: output {name} is not the oracle's")
        return wrong


@dataclass(frozen=True)
class Recipe:
    """How a case is made.

    Attributes:
        inputs: For each step; drawn unless given.
        calibration: Samples of the ONNX inputs or a project's file of them, if the module shall be int8.
        reset: The step before which `reset` is called.
        targets: An int8 module with products is for `relaxed` only if all its targets take 7-bit weights.
    """

    name: str
    model: Model
    inputs: Sequence[Inputs] | None = None
    calibration: Inputs | Path | None = None
    shapes: Mapping[str, Sequence[int]] | None = None
    state: Mapping[str, str] | None = None
    reset: int | None = None
    targets: Sequence[str] = ("simd", "mvp")

    def make(self, seed: int) -> Case:
        """Compile for the targets and ask the oracle."""
        targets = [find_target(name) for name in self.targets]
        request = Request("engines", self.shapes or {}, self.state or {})
        source, graph = read_stage(self.model, request, Silent())
        if self.calibration is not None:
            if isinstance(self.calibration, Path):
                samples = load_samples(self.calibration, graph, "calibration")
            else:
                samples = check_samples(self.calibration, graph, "calibration")
            way = Int8(samples, "minmax", weight_bits=weight_bits(targets))
            graph = quantize_stage(calibrate_stage(source, graph, way, Silent()), Silent()).graph
        header = Header(graph.name, "0.0.0")
        modules = {target.name: compile_stage(graph, target, header, Silent()) for target in targets}
        inputs = self.inputs or list(_drawn(modules["mvp"], np.random.default_rng(seed)))
        judge = oracle.load(encode(graph))
        expected = []
        state: Inputs = {}
        for step, given in enumerate(inputs):
            values = oracle.run(judge, dict(given), {} if step == self.reset else state)
            expected.append((_status(judge, values), [values[name] for name in judge.outputs]))
            state = oracle.next_state(judge, values)
        steps = [
            Step(tuple(given[name].tobytes() for name in judge.inputs), step == self.reset)
            for step, given in enumerate(inputs)
        ]
        jobs = {target: _job(module, steps) for target, module in modules.items()}
        return Case(self.name, jobs, judge.outputs, expected)


def _job(module: CompiledModule, steps: Sequence[Step]) -> Job:
    exports = {export.name for export in wasmtime.Module(wasmtime.Engine(), module.wasm).exports}
    ranks = [len(tensor.shape) if "output_dims" in exports else 0 for tensor in module.meta.outputs]
    sizes = [tensor.nbytes for tensor in module.meta.outputs]
    return Job(module.wasm, tuple(zip(sizes, ranks, strict=True)), tuple(steps))


def _status(judge: oracle.Graph, values: Inputs) -> int:
    ends = [values[name] for name in (*judge.outputs, *judge.state.values())]
    finite = all(np.isfinite(value).all() for value in ends if value.dtype == np.float32)
    return RUN_OK if finite else RUN_NONFINITE


def _drawn(module: CompiledModule, random: np.random.Generator) -> Iterator[Inputs]:
    """Three inputs at the module's types; the floats of the last hold what is no usual number."""
    for special in (0.0, 0.0, 0.1):
        given = {}
        for tensor in module.meta.inputs:
            if tensor.dtype == "int8":
                value = random.integers(-128, 128, tensor.shape, np.int8)
            else:
                value = random.standard_normal(tensor.shape).astype(tensor.dtype)
                value[random.random(tensor.shape) < special] = random.choice(SPECIAL)
            given[tensor.name] = value
        yield given
