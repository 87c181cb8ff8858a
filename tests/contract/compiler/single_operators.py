"""Single operators side by side in one model: what the tests of the general operators share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.oracle import load, run, same_class
from tests.support.compiling import compile_targets

OPSET = 26
SEED = 23


@dataclass(frozen=True)
class Case:
    """One node.

    Attributes:
        inputs: All of them; None where one is left out.
        outputs: Shapes of the outputs, as the file declares them; None where data say it.
        types: Of the outputs; that of the first input unless given.
        constants: Indices of inputs that are initializers.
        reference: Whether `onnx.reference` computes what ONNX says.
    """

    op: str
    inputs: Sequence[np.ndarray | None]
    outputs: Sequence[tuple[int | None, ...]]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    types: Sequence[str] = ()
    constants: frozenset[int] = frozenset()
    reference: bool = True

    def __str__(self) -> str:
        return f"{self.op} {self.inputs[0].dtype}{list(self.inputs[0].shape)} {dict(self.attrs)}"


def draw(random: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    if dtype == "bool":
        return random.random(shape) < 0.5
    if np.dtype(dtype).kind == "f":
        return random.standard_normal(shape).astype(dtype)
    return random.integers(-9 if np.dtype(dtype).kind == "i" else 0, 10, shape).astype(dtype)


def ints(*values: int, dtype: str = "int64") -> np.ndarray:
    return np.array(values, dtype)


def model_of(cases: Sequence[Case]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """All cases side by side in one model, and its inputs."""
    nodes, inputs, outputs, initializers, given = [], [], [], [], {}
    for number, case in enumerate(cases):
        names = [f"x{number}_{index}" for index in range(len(case.inputs))]
        for index, (name, value) in enumerate(zip(names, case.inputs, strict=True)):
            if index in case.constants:
                initializers.append(numpy_helper.from_array(np.asarray(value), name))
            else:
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                inputs.append(helper.make_tensor_value_info(name, kind, value.shape))
                given[name] = np.asarray(value, order="C")
        results = [f"y{number}_{index}" for index in range(len(case.outputs))]
        nodes.append(helper.make_node(case.op, names, results, name=f"{case.op}{number}", **case.attrs))
        types = case.types or [case.inputs[0].dtype.name]
        for name, dtype, shape in zip(results, types, case.outputs, strict=True):
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            outputs.append(helper.make_tensor_value_info(name, kind, shape))
    graph = helper.make_graph(nodes, "general", inputs, outputs, initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    return proto, given


def check(cases: Sequence[Case], folder: Path) -> None:
    """Both targets equal the oracle to the bit, and are near the reference where it can be trusted."""
    proto, given = model_of(cases)
    document, instances = compile_targets(proto, folder)
    expected = run(load(document), given)
    wrong = []
    for target, instance in instances.items():
        for name, value in instance.run(given).items():
            if value.shape != expected[name].shape or not same_class(value, expected[name]):
                wrong.append(f"{target}: {cases[int(name[1:].partition('_')[0])]} {name}")
    assert not wrong, f"seed {SEED}"
    for number, case in enumerate(cases):
        if case.reference:
            single, inputs = model_of([case])
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(single).run(None, inputs)
            single_precision = any(value.dtype == np.float32 for value in case.inputs)
            tolerance = 1e-5 if single_precision else 1e-12
            for index, result in enumerate(results):
                found = expected[f"y{number}_{index}"]
                np.testing.assert_allclose(found, result, tolerance, tolerance, err_msg=str(case))
