"""Keeps the layers in float32 that int8 costs too much, until a budget of accuracy holds.

Runs only where plain int8 breaks the budget. Every candidate is compiled and run as a device would run it.
First cross-layer equalization is tried. If that does not do, each layer is made int8 alone, to see how much
noise it brings to the model's outputs; the worst 1, 2, 4, … go back to float32 until the budget holds; then
each of them that can be int8 after all becomes so again.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from controller.compiler.accuracy import Accuracy, Judge
from controller.compiler.emit import CompiledModule, Header
from controller.compiler.errors import CheckError
from controller.compiler.execute import Instance
from controller.compiler.frontend import Source
from controller.compiler.ir import FLOAT, Array, Graph
from controller.compiler.ir.operators import OPERATORS
from controller.compiler.passes.equalization import cross_layer_equalization
from controller.compiler.progress import Progress, Silent
from controller.compiler.quantize import Quantization
from controller.compiler.reference import FloatModel
from controller.compiler.stages import Calibrated, calibrate_stage, compile_stage, rewrite
from controller.compiler.targets import Target

MOST_FLOAT = 0.5
"""Share of the layers that may stay float32: beyond that, int8 is not the right form for a model."""
SENSITIVITY_SAMPLES = 16
_BLAMED = 5
_ROUNDING = 1e-9


class MixedPrecision:
    """The search.

    Args:
        source: The model as it came.
        calibrated: Its plain quantization, which breaks the budget.
        judge: Of accuracy.
        target: For which candidates are compiled: all give the same bits.
        progress: Told of each step of the longest part.
    """

    def __init__(
        self, source: Source, calibrated: Calibrated, judge: Judge, target: Target, progress: Progress
    ) -> None:
        self._source, self._plain, self._judge = source, calibrated, judge
        self._target, self._progress = target, progress

    def run(self, plain: Accuracy) -> tuple[Calibrated, Quantization]:
        """Find what to keep in float32.

        Args:
            plain: Of everything in int8.

        Raises:
            CheckError: The budget does not hold with as many layers in float32 as may be.
        """
        base, best = self._plain, plain
        equalized = self._equalized()
        if equalized is not None:
            accuracy = self._measure(equalized, {})
            if accuracy.holds:
                return equalized, rewrite(equalized)
            if accuracy.drop < best.drop:
                base, best = equalized, accuracy
        noise = self.sensitivities(base)
        order = sorted(noise, key=noise.__getitem__)
        most = math.ceil(len(order) * MOST_FLOAT)
        count = 0
        while not best.holds:
            if count == most:
                raise self._blame(plain, best, order, noise)
            count = min(max(1, 2 * count), most)
            best = self._measure(base, dict.fromkeys(order[:count], ""))
        kept = self._thinned(base, order[:count], best)
        return base, rewrite(base, kept)

    def _equalized(self) -> Calibrated | None:
        """The model after equalization; None if that changes nothing."""
        way = self._plain.way
        if way.equalize or not cross_layer_equalization(copy.deepcopy(self._plain.graph)):
            return None
        return calibrate_stage(self._source, self._plain.graph, replace(way, equalize=True), Silent())

    def sensitivities(self, base: Calibrated) -> dict[str, float]:
        """Each int8 layer with the signal-to-noise ratio at the outputs, in dB, when it alone is int8."""
        arithmetic = _arithmetic(base.graph, rewrite(base).int8)
        reference = FloatModel(self._source, base.graph)
        samples = base.way.samples.spread(SENSITIVITY_SAMPLES)
        expected = [reference.run(sample) for sample in samples]
        noise = {}
        for done, name in enumerate(arithmetic, start=1):
            others = {other: "" for other in arithmetic if other != name}
            found = _outputs(self._compile(base, others), samples)
            noise[name] = signal_to_noise(expected, found)
            self._progress.advance("search", done, len(arithmetic))
        return noise

    def _thinned(self, base: Calibrated, names: Sequence[str], best: Accuracy) -> dict[str, str]:
        """Those of the kept layers that are needed, each with what int8 would cost there."""
        kept = dict.fromkeys(names, "")
        for name in reversed(names):
            without = self._measure(base, {other: "" for other in kept if other != name})
            if without.holds:
                del kept[name]
                best = without
            else:
                kept[name] = f"would cost {without.drop - best.drop:.1f} points"
        return kept

    def _compile(self, base: Calibrated, kept: dict[str, str]) -> CompiledModule:
        graph = rewrite(base, kept).graph
        return compile_stage(graph, self._target, Header(graph.name, "0.0.0"), Silent())

    def _measure(self, base: Calibrated, kept: dict[str, str]) -> Accuracy:
        return self._judge.measure(self._compile(base, kept), Silent())

    def _blame(
        self, plain: Accuracy, best: Accuracy, order: Sequence[str], noise: dict[str, float]
    ) -> CheckError:
        worst = ", ".join(f"{name} ({noise[name]:.1f} dB)" for name in order[:_BLAMED])
        count = math.ceil(len(order) * MOST_FLOAT)
        place = f"layers to blame, signal to noise at the output if only they are int8: {worst}"
        if not order:
            place = "no layer is int8: what is lost is lost by inputs and outputs of 8 bits"
        enough = math.ceil(best.drop * 10 - _ROUNDING) / 10
        return CheckError(
            f"{self._plain.graph.name} loses {plain.drop:.2f} points of accuracy in int8, and "
            f"{best.drop:.2f} with the worst {count} of {len(order)} layers in float32; "
            f"the budget is {plain.budget:g}",
            where=place,
            remedy=f"more calibration data, --max-drop {enough:g}%, or [quantize] float = true",
        )


def _arithmetic(graph: Graph, names: Sequence[str]) -> list[str]:
    """Layers that compute; the others only move elements, and follow."""
    operators = {node.name: node.op for node in graph.nodes}
    return [name for name in names if OPERATORS[operators[name]].quantized != "copy"]


def _outputs(module: CompiledModule, samples: Sequence[dict[str, Array]]) -> list[dict[str, Array]]:
    instance = Instance(module.wasm)
    return [instance.dequantize(instance.run(instance.quantize(sample))) for sample in samples]


def signal_to_noise(expected: Sequence[dict[str, Array]], found: Sequence[dict[str, Array]]) -> float:
    """Of all float values of `found` against those of `expected`, in dB; infinite if they are equal."""
    signal = error = 0.0
    for right, got in zip(expected, found, strict=True):
        for name, value in got.items():
            if value.dtype == FLOAT:
                reference = np.asarray(right[name], np.float64)
                signal += float(np.sum(reference**2))
                error += float(np.sum((value - reference) ** 2))
    if error == 0:
        return math.inf
    return 10 * math.log10(signal / error) if signal else -math.inf
