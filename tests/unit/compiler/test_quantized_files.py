"""Files that onnxruntime quantized compile as they stand, and compute what onnxruntime computes, to 1 LSB."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from controller.compiler import CalibrationError, compile_model
from controller.compiler.execute import Instance
from controller.compiler.ir.document import encode
from controller.compiler.progress import Silent
from controller.compiler.stages import Request, read_stage
from tests.oracle import load, run, same_class
from tests.support.few_bits import BLOCK, COLUMNS, DEPTH, ROWS, matmul_nbits
from tests.support.onnx_models import Builder

SHAPE = (1, 3, 12, 12)
SEED = 7


def network() -> onnx.ModelProto:
    """Convolutions, a depthwise one, a residual sum, a gate, pools, a classifier."""
    b = Builder()
    x = b.input("x", *SHAPE)
    wide = b.node("Relu", b.node("Conv", x, b.weights(8, 3, 3, 3), b.weights(8), pads=[1] * 4))
    deep = b.node("Relu", b.node("Conv", wide, b.weights(8, 1, 3, 3), b.weights(8), pads=[1] * 4, group=8))
    pooled = b.node("MaxPool", b.node("Add", wide, deep), kernel_shape=[2, 2], strides=[2, 2])
    gated = b.node("Mul", pooled, b.node("Sigmoid", pooled))
    flat = b.node("Flatten", b.node("GlobalAveragePool", gated))
    return b.model(b.node("Softmax", b.node("Gemm", flat, b.weights(10, 8), b.weights(10), transB=1)))


class Samples(CalibrationDataReader):
    def __init__(self) -> None:
        random = np.random.default_rng(SEED)
        self._samples: Iterator[np.ndarray] = iter(random.standard_normal((20, *SHAPE)).astype(np.float32))

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self._samples, None)
        return None if sample is None else {"x": sample}


def quantized(folder: Path, *, dynamic: bool = False, **options: object) -> Path:
    source, target = folder / "float.onnx", folder / "quantized.onnx"
    onnx.save(network(), source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamic:
            quantize_dynamic(str(source), str(target), **options)
        else:
            quantize_static(str(source), str(target), Samples(), **options)
    return target


def worst_difference(path: Path) -> tuple[float, Instance]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    instance = Instance(compile_model(path).wasm)
    random, worst, (output,) = np.random.default_rng(SEED + 1), 0.0, session.get_outputs()
    for _ in range(8):
        x = {"x": random.standard_normal(SHAPE).astype(np.float32)}
        ours = instance.dequantize(instance.run(instance.quantize(x)))[output.name]
        worst = max(worst, float(np.abs(ours - session.run(None, x)[0]).max()))
    return worst, instance


def equals_oracle(path: Path, instance: Instance) -> bool:
    _, graph = read_stage(path, Request(None, {}, {}), Silent())
    x = instance.quantize({"x": np.random.default_rng(SEED).standard_normal(SHAPE).astype(np.float32)})
    values = run(load(encode(graph)), x)
    return all(same_class(result, values[name]) for name, result in instance.run(x).items())


U8, S8 = QuantType.QUInt8, QuantType.QInt8


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize(
    ("activation", "weight", "per_channel"),
    [(U8, S8, True), (S8, S8, False), (U8, U8, False)],
)
def test_static(
    tmp_path: Path, form: QuantFormat, activation: QuantType, weight: QuantType, *, per_channel: bool
):
    path = quantized(
        tmp_path, quant_format=form, activation_type=activation, weight_type=weight, per_channel=per_channel
    )
    worst, instance = worst_difference(path)
    output = instance.meta.outputs[0]
    assert output.dtype == "int8"
    assert worst <= output.scale * 1.001
    if weight == S8:
        assert {layer.dtype for layer in instance.meta.layers} == {"int8"}
    assert equals_oracle(path, instance)


def test_activations_of_16_bits(tmp_path: Path):
    options = {"UseQDQContribOps": True}
    path = quantized(tmp_path, activation_type=QuantType.QUInt16, weight_type=S8, extra_options=options)
    worst, _ = worst_difference(path)
    assert worst <= 2 / 65535


@pytest.mark.parametrize("weight", [U8, S8])
def test_dynamic(tmp_path: Path, weight: QuantType):
    worst, _ = worst_difference(quantized(tmp_path, dynamic=True, weight_type=weight))
    assert worst < 1e-5


def test_calibration_data_is_refused(tmp_path: Path):
    path = quantized(tmp_path, activation_type=U8, weight_type=S8)
    with pytest.raises(CalibrationError, match="quantized already"):
        compile_model(path, calibration={"x": np.zeros((2, *SHAPE), np.float32)})


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", [False, True])
def test_weights_in_few_bits_stay_packed(bits: int, *, zeros: bool):
    random = np.random.default_rng(SEED + bits)
    model = matmul_nbits(bits, random, zeros=zeros)
    x = random.standard_normal((ROWS, DEPTH)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    module = compile_model(model)
    np.testing.assert_allclose(
        Instance(module.wasm).run({"x": x})["y"], session.run(None, {"x": x})[0], rtol=1e-4, atol=1e-4
    )
    packed = COLUMNS * -(-DEPTH // BLOCK) * BLOCK * bits // 8
    assert [layer.weights.size for layer in module.meta.layers] == [packed]
