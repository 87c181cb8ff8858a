"""LSTM, GRU and RNN: in every form targets equal the oracle to the bit, and are near onnxruntime."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from controller.compiler import compile_model
from controller.compiler.errors import BrokenModelError
from tests.oracle import load, run, same_class
from tests.support.compiling import compile_targets

GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}
STEPS, BATCH, FEATURES, HIDDEN = 5, 3, 4, 19
SEED = 20


@dataclass(frozen=True)
class Form:
    """One way in which an operator is used.

    Attributes:
        given: Optional inputs that it has, of B, lengths, h, c, P.
        computed: Whether weights are inputs of the model.
    """

    op: str
    given: str = ""
    attrs: dict[str, Any] = field(default_factory=dict)
    computed: bool = False
    dtype: str = "float32"

    def __str__(self) -> str:
        parts = [self.op, *self.given.split(), *self.attrs, self.dtype if self.dtype != "float32" else ""]
        return "-".join([*filter(None, parts), *(["computed"] if self.computed else [])])


FORMS = [
    *(Form(op, dtype=dtype) for op in GATES for dtype in ("float32", "float64")),
    *(Form(op, "B lengths h", {"direction": "bidirectional"}) for op in GATES),
    *(Form(op, "B lengths", {"direction": "reverse"}) for op in GATES),
    *(Form(op, "B h", {"direction": "bidirectional", "layout": 1}) for op in GATES),
    *(Form(op, "B lengths h", {"direction": "bidirectional"}, computed=True) for op in GATES),
    *(Form(op, "B", {"clip": 0.4}) for op in GATES),
    Form("LSTM", "B lengths h c P", {"direction": "bidirectional"}),
    Form("LSTM", "B h c P", {"input_forget": 1, "clip": 0.7}),
    Form("LSTM", "B h c", {"layout": 1}, dtype="float64"),
    Form("GRU", "B lengths h", {"linear_before_reset": 1, "direction": "bidirectional"}),
    Form("GRU", "B lengths h", {"linear_before_reset": 1}, computed=True),
    Form("GRU", "", {"linear_before_reset": 1}),
    Form("LSTM", "B", {"activations": ["HardSigmoid", "Softsign", "Relu"], "activation_alpha": [0.3]}),
    Form("LSTM", "B", {"activations": ["Sigmoid", "ScaledTanh", "Affine"], "activation_alpha": [1.5, 0.5],
                       "activation_beta": [0.75, 0.25]}),
    Form("GRU", "B", {"activations": ["Sigmoid", "LeakyRelu"], "activation_alpha": [0.2]}),
    Form("RNN", "B", {"activations": ["Elu", "Softplus"], "activation_alpha": [0.6],
                      "direction": "bidirectional"}),
    Form("RNN", "B", {"activations": ["ThresholdedRelu"], "activation_alpha": [0.1]}),
]  # fmt: skip


def inputs_of(form: Form, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Every input of the node, in ONNX's order and layout."""
    gates, directions = GATES[form.op], 2 if form.attrs.get("direction") == "bidirectional" else 1
    shapes: dict[str, tuple[int, ...]] = {
        "X": (STEPS, BATCH, FEATURES),
        "W": (directions, gates * HIDDEN, FEATURES),
        "R": (directions, gates * HIDDEN, HIDDEN),
        "B": (directions, 2 * gates * HIDDEN),
        "h": (directions, BATCH, HIDDEN),
        "c": (directions, BATCH, HIDDEN),
        "P": (directions, 3 * HIDDEN),
    }
    wanted = ("X", "W", "R", *form.given.split())
    values = {n: (0.5 * random.standard_normal(shapes[n])).astype(form.dtype) for n in shapes if n in wanted}
    if "lengths" in wanted:
        values["lengths"] = np.array([STEPS, 2, 4], np.int32)
    if form.attrs.get("layout"):
        values |= {n: values[n].swapaxes(0, 1) for n in ("X", "h", "c") if n in values}
    order = ("X", "W", "R", "B", "lengths", "h", "c", "P")
    return {name: values[name] for name in order if name in values}


def model_of(form: Form, values: dict[str, np.ndarray]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model, and what is left to give it."""
    order = ("X", "W", "R", "B", "lengths", "h", *(("c", "P") if form.op == "LSTM" else ()))
    outputs = ["Y", "Y_h", *(["Y_c"] if form.op == "LSTM" else [])]
    names = [name if name in values else "" for name in order]
    node = helper.make_node(form.op, names, outputs, name="cell", hidden_size=HIDDEN, **form.attrs)
    weights = () if form.computed else ("W", "R", "B", "P")
    fixed = {name: values[name] for name in weights if name in values}
    given = {name: value for name, value in values.items() if name not in fixed}
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in values.items()}
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in given.items()],
        [helper.make_tensor_value_info(name, kinds["X"], None) for name in outputs],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in fixed.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return onnx.shape_inference.infer_shapes(proto), given


def by_onnxruntime(form: Form, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What onnxruntime makes of it, which has float32 and `layout` 0 only."""
    attrs = {name: value for name, value in form.attrs.items() if name != "layout"}
    batchwise = bool(form.attrs.get("layout"))
    values = {n: v.astype("float32") if v.dtype.kind == "f" else v for n, v in values.items()}
    if batchwise:
        values |= {n: values[n].swapaxes(0, 1) for n in ("X", "h", "c") if n in values}
    proto, given = model_of(Form(form.op, form.given, attrs, form.computed), values)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    y, *last = session.run(None, {name: np.ascontiguousarray(value) for name, value in given.items()})
    if batchwise:
        return [y.transpose(2, 0, 1, 3), *(value.swapaxes(0, 1) for value in last)]
    return [y, *last]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_recurrent_network(form, tmp_path):
    values = inputs_of(form, np.random.default_rng(SEED))
    proto, given = model_of(form, values)
    document, instances = compile_targets(proto, tmp_path)
    expected = run(load(document), given)
    for target, instance in instances.items():
        for name, value in instance.run(given).items():
            assert same_class(value, expected[name]), f"{target}: {name}, seed {SEED}"
    for output, wanted in zip(proto.graph.output, by_onnxruntime(form, values), strict=True):
        np.testing.assert_allclose(expected[output.name], wanted, 2e-5, 2e-5, err_msg=output.name)


@pytest.mark.parametrize("computed", [False, True], ids=["constant", "computed"])
@pytest.mark.parametrize("name", ["W", "R", "B", "lengths", "h", "c", "P"])
def test_an_input_of_another_size(name, computed):
    form = Form("LSTM", "B lengths h c P", computed=computed)
    values = inputs_of(form, np.random.default_rng(SEED))
    values[name] = np.concatenate([values[name]] * 2, axis=-1)
    node = model_of(form, values)[0]
    with pytest.raises(BrokenModelError, match=rf"node cell \(LSTM\): {name} is \["):
        compile_model(node)
