"""Every operator, float32 and int8: both targets equal the oracle bit for bit, and are close to onnxruntime.

`build` itself compares all targets with the oracle; here the result is also held against an engine that
shares nothing with us.
"""

import numpy as np
import onnxruntime as ort
import pytest

from controller.compiler import Build, Instance, build
from tests.contract.compiler.conftest import sample_inputs
from tests.support import onnx_models as models

# Where a float32 operator is left in an int8 model, and so only the borders are quantized.
FLOAT_LAYERS = {
    "div_same": {"/div_2"},
    "div_broadcast": {"/div_2"},
    "div_map": {"/div_0"},
    "gemm_two_activations": None,
    "matmul_two_activations": {"/matmul_0"},
    "batch_norm_vector": None,
    "gemm_matrix_addend": None,
}


def _reference(model, samples):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [
        session.run(None, {name: array[i] for name, array in samples.items()})
        for i in range(len(next(iter(samples.values()))))
    ]


@pytest.mark.parametrize("name", sorted(models.RECIPES))
def test_float32_is_close_to_onnxruntime(name, compile_model):
    model = models.build(name)
    made = compile_model(model, int8=False)
    samples = sample_inputs(model, 3, seed=11)
    instance = Instance(made.modules["simd"].wasm)
    for index, expected in enumerate(_reference(model, samples)):
        found = instance.run({key: array[index] for key, array in samples.items()})
        for tensor, value in zip(instance.meta.outputs, expected, strict=True):
            assert found[tensor.name].dtype == np.float32
            np.testing.assert_allclose(found[tensor.name], value, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", sorted(models.RECIPES))
def test_int8_is_close_to_onnxruntime(name, compile_model):
    model = models.build(name)
    made = compile_model(model)
    expected_float = FLOAT_LAYERS.get(name, set())
    if expected_float is not None:
        assert set(made.layers_float) == expected_float
    samples = sample_inputs(model, 6)  # the calibration data: nothing saturates
    instance = Instance(made.modules["simd"].wasm)
    for index, expected in enumerate(_reference(model, samples)):
        given = instance.quantize({key: array[index] for key, array in samples.items()})
        found = instance.dequantize(instance.run(given))
        for tensor, value in zip(instance.meta.outputs, expected, strict=True):
            assert tensor.scale is not None
            error = np.sqrt(np.mean((found[tensor.name] - value) ** 2))
            spread = 255 * tensor.scale
            assert error <= 0.02 * spread, f"{tensor.name}: rms error {error:.4f} of a range of {spread:.4f}"


def test_all_bits_equal_on_many_inputs(make_project):
    made: Build = build(make_project(models.build("mobile_block")))
    simd, mvp = (Instance(made.modules[target].wasm) for target in ("simd", "mvp"))
    random = np.random.default_rng(3)
    for _ in range(200):
        given = {t.name: random.integers(-128, 128, t.shape).astype(np.int8) for t in simd.meta.inputs}
        first, second = simd.run(given), mvp.run(given)
        assert all(np.array_equal(first[name], second[name]) for name in first)


def test_run_layer_in_order_equals_run(compile_model):
    made = compile_model(models.build("two_outputs"))
    for module in made.modules.values():
        instance = Instance(module.wasm)
        given = instance.quantize({k: v[0] for k, v in sample_inputs(models.build("two_outputs"), 1).items()})
        expected = instance.run(given)
        layers = dict(instance.run_layers(given))
        assert list(layers) == list(range(len(instance.meta.layers)))
        assert {n: v.tobytes() for n, v in expected.items()} == {
            n: v.tobytes() for n, v in instance._read_outputs().items()
        }
