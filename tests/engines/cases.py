"""The cases: models of every kind."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from controller.compiler import ModelProject, Silent
from controller.compiler.source import fetch, onnx_file
from tests.bench.operators_page import committed
from tests.contract.compiler import single_operators as single
from tests.contract.compiler import test_general_operators as general
from tests.contract.compiler import test_image_operators as image
from tests.contract.compiler import test_moving_operators as moving
from tests.contract.compiler import test_quantized_operators as quantized
from tests.contract.compiler import test_recurrent as cells
from tests.contract.compiler.conftest import SAMPLES, sample_inputs
from tests.contract.compiler.test_random_graphs import Grower
from tests.engines.making import TARGETS, Recipe
from tests.prove.recurrent import MODEL as SILERO
from tests.support import onnx_models, onnx_suite, streaming

PROJECTS = Path(__file__).parents[2] / "modules"


def operators() -> Iterator[Recipe]:
    """Each operator of the networks of the field, in float32 and in int8."""
    for name in sorted(onnx_models.RECIPES):
        yield from _both(name, onnx_models.build(name))


def random_graphs(first: int, count: int) -> Iterator[Recipe]:
    """Graphs that nobody thought of, in float32 and in int8."""
    for seed in range(first, first + count):
        yield from _both(f"random graph {seed}", Grower(seed).model())


def _both(name: str, model: Any) -> Iterator[Recipe]:
    samples = sample_inputs(model, SAMPLES)
    yield Recipe(f"{name} float32", model, targets=TARGETS)
    yield Recipe(f"{name} int8", model, calibration=samples)
    yield Recipe(f"{name} int8, 7-bit weights", model, calibration=samples, targets=TARGETS)


def general_operators() -> Iterator[Recipe]:
    """All other operators, over types and shapes."""
    for family in sorted(general.FAMILIES):
        model, given = general.model_of(list(general.FAMILIES[family](np.random.default_rng(17))))
        yield Recipe(family, model, [given])
    for family, cases in sorted({**image.FAMILIES, **moving.FAMILIES}.items()):
        model, given = single.model_of(list(cases(np.random.default_rng(single.SEED))))
        yield Recipe(family, model, [given])
    for index, case in enumerate(quantized.ALL):
        yield Recipe(f"{case[0]} {index}", quantized.model(case), [case[1]])


def recurrent() -> Iterator[Recipe]:
    """LSTM, GRU and RNN."""
    for form in cells.FORMS:
        model, given = cells.model_of(form, cells.inputs_of(form, np.random.default_rng(cells.SEED)))
        yield Recipe(str(form), model, [given])


def with_state() -> Iterator[Recipe]:
    """State goes from run to run, starts anew after `reset` and outlives a run that is not finite."""
    ones = {"x": np.ones(streaming.SIZE, np.float32)}
    bad = {"x": np.full(streaming.SIZE, np.nan, np.float32)}
    for name, model in (("counter", streaming.counter()), ("comparison", streaming.comparison())):
        yield Recipe(name, model, [ones, ones, bad, ones, ones], state=streaming.STATE, reset=4)


def projects(*names: str) -> Iterator[Recipe]:
    """Model projects of this repository."""
    for name in names:
        project = ModelProject.load(PROJECTS / name)
        table = project.quantize
        calibration = project.path(table.calibration) if table and table.calibration else None
        model = onnx_file(project, Silent())
        recipe = Recipe(name, model, calibration=calibration, shapes=project.shapes)
        yield recipe
        if calibration:
            yield replace(recipe, name=f"{name}, 7-bit weights", targets=TARGETS)


def real_models() -> Iterator[Recipe]:
    """All projects, and a streaming speech detector on ten steps of noise."""
    yield from projects("crop-model", "mnist", "activity", "text-direction")
    noise = np.random.default_rng(5).standard_normal((10, 1, 576)).astype(np.float32) / 10
    state = {"h": "hn", "c": "cn"}
    inputs = [{"input": step} for step in noise]
    yield Recipe("silero-vad", fetch(SILERO, Silent()), inputs, None, {"input": (1, 576)}, state, reset=6)


def suite() -> Iterator[Recipe]:
    """The plain cases of the `onnx` package that docs/operators.md does not list as refused."""
    _, refused, _ = committed()
    for name, case in sorted(onnx_suite.cases().items()):
        model, runs = case.model, case.data_sets
        if model is None or runs is None or onnx_suite.kind(case) != "plain" or name in refused:
            continue
        constants = {tensor.name for tensor in model.graph.initializer}
        names = [value.name for value in model.graph.input if value.name not in constants]
        yield Recipe(name, model, [dict(zip(names, map(_array, given), strict=True)) for given, _ in runs])


def _array(value: Any) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


FEW = ("conv_3x3_padded", "conv_depthwise", "softmax", "mobile_block", "squeeze_excite")


def few() -> Iterator[Recipe]:
    """One of each kind."""
    for name in FEW:
        yield from _both(name, onnx_models.build(name))
    yield from (recipe for recipe in general_operators() if recipe.name in ("algebra", "casts", "choosing"))
    yield from (recipe for recipe in recurrent() if recipe.name == "LSTM-B-lengths-h-c-P-direction")
    yield from chain(with_state(), projects("crop-model"), random_graphs(100, 2))
