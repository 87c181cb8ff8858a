"""Random graphs: views, transpositions, branches and outputs in combinations that nobody thought of.

`build` compares both targets with the oracle bit for bit; onnxruntime says whether the meaning is kept.
"""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from controller.compiler import Instance
from tests.contract.compiler.conftest import sample_inputs
from tests.support.onnx_models import Builder

Shape = tuple[int, ...]


class Grower:
    """A graph of a dozen nodes on small maps; every value that nobody reads is an output."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.builder = Builder(random=self.random)
        self.shapes = {self.builder.input("x", 1, 4, 6, 6): (1, 4, 6, 6)}
        self.unread: set[str] = set()

    def model(self) -> onnx.ModelProto:
        growths = [self.conv, self.pool, self.unary, self.binary, self.binary]
        growths += [self.transpose, self.reshape, self.concat, self.softmax]
        for _ in range(12):
            name = self.pick(list(self.shapes))
            self.pick(growths)(name, self.shapes[name])
        if not self.unread:
            self.node("Relu", ["x"], self.shapes["x"])
        return self.builder.model(*sorted(self.unread))

    def pick(self, choices):
        return choices[self.random.integers(len(choices))]

    def twin(self, shape: Shape) -> str:
        return self.pick([name for name, other in self.shapes.items() if other == shape])

    def node(self, op: str, inputs: list[str], shape: Shape, **attrs: object) -> None:
        name = self.builder.node(op, *inputs, **attrs)
        self.shapes[name] = shape
        self.unread.difference_update(inputs)
        self.unread.add(name)

    def conv(self, name: str, shape: Shape) -> None:
        if len(shape) == 4 and min(shape[2:]) >= 3:
            out, pads = int(self.random.integers(1, 9)), int(self.random.integers(2))
            weights = self.builder.weights(out, shape[1], 3, 3, spread=0.3)
            size = tuple(s - 2 + 2 * pads for s in shape[2:])
            self.node("Conv", [name, weights], (shape[0], out, *size), pads=[pads] * 4)

    def pool(self, name: str, shape: Shape) -> None:
        if len(shape) == 4 and min(shape[2:]) >= 2:
            size = tuple((s - 2) // 2 + 1 for s in shape[2:])
            op = self.pick(["MaxPool", "AveragePool"])
            self.node(op, [name], (*shape[:2], *size), kernel_shape=[2, 2], strides=[2, 2])

    def unary(self, name: str, shape: Shape) -> None:
        self.node(self.pick(["Relu", "Sigmoid", "HardSigmoid", "HardSwish"]), [name], shape)

    def binary(self, name: str, shape: Shape) -> None:
        self.node(self.pick(["Add", "Mul", "Sub"]), [name, self.twin(shape)], shape)

    def transpose(self, name: str, shape: Shape) -> None:
        perm = [int(axis) for axis in self.random.permutation(len(shape))]
        self.node("Transpose", [name], tuple(shape[axis] for axis in perm), perm=perm)

    def reshape(self, name: str, shape: Shape) -> None:
        target = self.pick([(shape[0], int(np.prod(shape[1:]))), (*shape[:-1], 1, shape[-1])])
        if len(target) <= 4:
            self.node("Reshape", [name, self.builder.ints(*target)], target)

    def concat(self, name: str, shape: Shape) -> None:
        axis = int(self.random.integers(len(shape)))
        size = tuple(2 * s if d == axis else s for d, s in enumerate(shape))
        if np.prod(size) < 2000:
            self.node("Concat", [name, self.twin(shape)], size, axis=axis)

    def softmax(self, name: str, shape: Shape) -> None:
        self.node("Softmax", [name], shape, axis=int(self.random.integers(len(shape))))


@pytest.mark.parametrize("seed", range(20))
def test_random_graph(seed, compile_model):
    model = Grower(seed).model()
    made = compile_model(model, int8=False)
    compile_model(model)
    sample = {name: values[0] for name, values in sample_inputs(model, 1, seed=5).items()}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = Instance(made.modules["mvp"].wasm).run(sample)
    for tensor, value in zip(model.graph.output, session.run(None, sample), strict=True):
        np.testing.assert_allclose(found[tensor.name], value, rtol=1e-4, atol=1e-4, err_msg=f"seed {seed}")
