"""A model on labelled data, three times: the float ONNX file, the oracle, and the compiled module.

Layers are compared with those of the same model compiled in float32, each after everything before it: what a
layer shows is its own noise and what reached it.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.compiler import Accuracy, Instance, Progress, resources
from controller.compiler.accuracy import Judge, answer
from controller.compiler.emit import Header
from controller.compiler.frontend import Source
from controller.compiler.ir import FLOAT, Graph
from controller.compiler.ir.document import decode
from controller.compiler.passes.equalization import cross_layer_equalization
from controller.compiler.progress import Silent
from controller.compiler.quantize.functions import dequantize_array
from controller.compiler.samples import Samples
from controller.compiler.stages import Stage, compile_stage
from controller.compiler.targets import find_target
from controller.inspection.compare import value_of
from controller.inspection.errors import OtherGraphError
from protocol.module import LayerMeta, ModuleMeta

REFERENCE_MACS = 60_000_000
"""The oracle is slow: it answers few samples of a large model, but at least two."""
REFERENCE_SAMPLES = 64
NOISE_SAMPLES = 16


@dataclass(frozen=True)
class ClassAccuracy:
    """One class.

    Attributes:
        name: Its label, or its number.
        samples: That have this label.
        reference: Share that the float model finds, 0 … 1.
        module: Share that the module finds.
    """

    name: str
    samples: int
    reference: float
    module: float


@dataclass(frozen=True)
class LayerNoise:
    """One layer: its index and its signal-to-noise ratio in dB, infinite if nothing differs."""

    index: int
    meta: LayerMeta
    decibels: float


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        accuracy: Of float model and module.
        oracle: Share of its samples that the oracle answers right.
        oracle_samples: How many that were.
        exact: Whether module and oracle gave the same bits on them.
        classes: In the order of the labels; those without samples are left out.
        layers: The noisiest first; none for a model in float32.
    """

    meta: ModuleMeta
    accuracy: Accuracy
    oracle: float
    oracle_samples: int
    exact: bool
    classes: tuple[ClassAccuracy, ...]
    layers: tuple[LayerNoise, ...]


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        source: The ONNX model.
        graph: Its float graph.
        wasm: The module.
        document: The graph document that the module was made from.
    """

    source: Source
    graph: Graph
    wasm: bytes
    document: bytes


def evaluate(subject: Subject, judge: Judge, progress: Progress) -> Evaluation:
    """Run all three.

    Args:
        subject: The model and its module.
        judge: With labelled samples.
        progress: Told of every stage.

    Raises:
        OtherGraphError: The module was made from another graph.
        LayerTrap: The module trapped.
    """
    instance = Instance(subject.wasm)
    meta = instance.meta
    if meta.provenance.get("graph") != sha256(subject.document).hexdigest():
        raise OtherGraphError(meta, meta.provenance.get("graph"))
    with Stage(progress, "module") as stage:
        found = judge.ask(subject.wasm, progress)
        accuracy = judge.judge(found, meta)
        stage.detail = f"{len(found):,} samples"
    with Stage(progress, "reference") as stage:
        right, count, exact = _oracle(subject, instance, judge, progress)
        stage.detail = f"{count:,} samples"
    with Stage(progress, "layers") as stage:
        layers = layer_noise(subject, judge.samples)
        stage.detail = f"{len(layers):,} compared with float32"
    classes = _classes(judge.labels, judge.answers, found, meta.outputs[0].labels or ())
    return Evaluation(meta, accuracy, right, count, exact, classes, layers)


def _oracle(
    subject: Subject, instance: Instance, judge: Judge, progress: Progress
) -> tuple[float, int, bool]:
    """Share of right answers, of how many, and whether the module gave the same bits."""
    oracle = resources.oracle()
    graph = oracle.load(subject.document)
    macs = sum(layer.macs for layer in instance.meta.layers)
    count = min(max(2, min(REFERENCE_SAMPLES, REFERENCE_MACS // max(macs, 1))), len(judge.samples))
    rows = np.linspace(0, len(judge.samples) - 1, count).astype(int)
    output = instance.meta.outputs[0].name
    right, exact = 0, True
    for done, (row, sample) in enumerate(zip(rows, judge.samples.spread(count), strict=True), start=1):
        inputs = instance.quantize(sample)
        values = oracle.run(graph, inputs)
        right += answer(values[output]) == judge.labels[row]
        results = instance.run(inputs)
        exact &= all(oracle.same_class(result, values[name]) for name, result in results.items())
        progress.advance("reference", done, count)
    return right / count, count, exact


def _classes(
    labels: NDArray[Any], expected: NDArray[Any], found: NDArray[Any], names: Sequence[str]
) -> tuple[ClassAccuracy, ...]:
    classes = []
    for label in np.unique(labels):
        here = labels == label
        name = names[label] if 0 <= label < len(names) else str(label)
        shares = (float(np.mean(answers[here] == label)) for answers in (expected, found))
        classes.append(ClassAccuracy(name, int(here.sum()), *shares))
    return tuple(classes)


def layer_noise(subject: Subject, samples: Samples) -> tuple[LayerNoise, ...]:
    """Every layer of a quantized module against the same in float32, the noisiest first."""
    instance = Instance(subject.wasm)
    if "quantization" not in instance.meta.provenance:
        return ()
    graph = decode(subject.document)
    quants = {node.name: graph.tensors[node.outputs[0]].quant for node in graph.nodes}
    reference = Instance(_float_module(subject, instance.meta))
    places = {layer.name: index for index, layer in enumerate(reference.meta.layers)}
    # Layers that only move memory are no nodes of the graph.
    known = places.keys() & quants.keys()
    powers = {index: np.zeros(2) for index, layer in enumerate(instance.meta.layers) if layer.name in known}
    for sample in samples.spread(NOISE_SAMPLES):
        floats = dict(reference.run_layers(reference.quantize(sample)))
        for index, raw in instance.run_layers(instance.quantize(sample)):
            layer = instance.meta.layers[index]
            if index not in powers:
                continue
            expected = value_of(reference.meta.layers[places[layer.name]], floats[places[layer.name]])
            value = value_of(layer, raw)
            if expected.dtype != FLOAT:
                del powers[index]
                continue
            wide = expected.astype(np.float64)
            quant = quants[layer.name]
            got = dequantize_array(value, quant) if quant is not None else value
            powers[index] += np.sum(wide**2), np.sum((got - wide) ** 2)
    noise = [LayerNoise(i, instance.meta.layers[i], _decibels(*power)) for i, power in powers.items()]
    return tuple(sorted(noise, key=lambda layer: layer.decibels))


def _decibels(signal: float, error: float) -> float:
    if not error:
        return math.inf
    return 10 * math.log10(signal / error) if signal else -math.inf


def _float_module(subject: Subject, meta: ModuleMeta) -> bytes:
    graph = copy.deepcopy(subject.graph)
    if meta.provenance["quantization"].endswith("equalized"):
        cross_layer_equalization(graph)
    return compile_stage(graph, find_target("simd"), Header(graph.name, "0.0.0"), Silent()).wasm
