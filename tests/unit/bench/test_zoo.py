"""The networks of the benchmarks are the published ones."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from tests.bench.zoo import MODELS, TINY

PARAMETERS = {
    "ds_cnn": 22_604,
    "resnet8": 77_706,
    "autoencoder": 265_864,
    "mobilenetv2": 3_487_816,
    "resnet18": 11_684_712,
    "mobilenetv3": 2_536_744,
}
"""With batch normalization folded, from MLPerf Tiny's and torchvision's definitions."""


@pytest.mark.parametrize("name", MODELS)
def test_macs(name):
    net = MODELS[name].build()
    assert net.macs / 1e6 == pytest.approx(MODELS[name].mmac, rel=0.005)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    constants = MODELS[name].build().model().graph.initializer
    learned = [c for c in constants if len(c.dims) > 0]
    assert sum(int(np.prod(c.dims)) for c in learned) == pytest.approx(PARAMETERS[name], rel=2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_those_that_onnx_infers(name):
    net = MODELS[name].build()
    model = net.model()
    onnx.checker.check_model(model, full_check=True)
    for value in [*model.graph.value_info, *model.graph.output]:
        assert tuple(d.dim_value for d in value.type.tensor_type.shape.dim) == net.shapes[value.name]


@pytest.mark.parametrize("name", TINY)
def test_activations_keep_their_magnitude(name):
    net = MODELS[name].build()
    model = net.model()
    kinds = {"Conv", "Gemm"}
    names = [node.output[0] for node in model.graph.node if node.op_type in kinds]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names)
    x = np.random.default_rng(0).standard_normal(net.shapes["x"]).astype(np.float32)
    for value in ReferenceEvaluator(model).run(names, {"x": x}):
        assert 0.03 < value.std() < 30
