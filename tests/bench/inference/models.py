"""Every form of a model that an engine of the benchmark reads."""

import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from controller.compiler import CompiledModule, compile_model, single
from controller.compiler.emit import module as emission
from controller.compiler.ir.document import encode
from tests.bench import zoo
from tests.bench.inference.peers import cache_folder

SAMPLES = 16
"""Calibration inputs; with random weights more would not change the speed."""


@dataclass
class Prepared:
    """One model.

    Attributes:
        name: In the zoo.
        float_onnx: As an exporter writes it.
        int8_onnx: Quantized for onnxruntime: QDQ, unsigned activations, signed weights for each channel.
        input: float32 values of one input, raw.
        graph: The quantized network as the compiler understood it (`docs/spec/graph.md`).
        wasm: Our module; None if it does not compile, see `error`.
        compiled: What the compiler says of it.
        seconds: What the compiler needed.
        source: C source and constants of the module, for the native build.
        error: Why there is no module.
        relaxed: The same model compiled for `relaxed`, with 7-bit weights.
    """

    name: str
    float_onnx: Path
    int8_onnx: Path
    input: Path
    shape: tuple[int, ...]
    graph: bytes = field(default=b"", repr=False)
    wasm: Path | None = None
    compiled: CompiledModule | None = None
    seconds: float = 0.0
    source: tuple[str, bytes] | None = field(default=None, repr=False)
    error: str | None = None
    relaxed: "Prepared | None" = field(default=None, repr=False)

    def values(self) -> np.ndarray:
        """The input, float32."""
        return np.fromfile(self.input, np.float32).reshape(self.shape)


def calibration(shape: tuple[int, ...]) -> np.ndarray:
    """float32 [sample, *shape], standard normal."""
    return np.random.default_rng(7).standard_normal((SAMPLES, *shape)).astype(np.float32)


class _Reader(CalibrationDataReader):
    def __init__(self, samples: np.ndarray) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self._samples, None)
        return None if sample is None else {"x": sample}


def _sources_digest() -> str:
    digest = hashlib.sha256(onnx.__version__.encode())
    for path in [*sorted(Path(zoo.__file__).parent.glob("*.py")), Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def prepare(name: str) -> Prepared:
    """Build a model, quantize it for onnxruntime, compile it for us."""
    folder = cache_folder() / "models" / _sources_digest()
    folder.mkdir(parents=True, exist_ok=True)
    net = zoo.MODELS[name].build()
    shape = net.shapes["x"]
    places = (folder / f"{name}.onnx", folder / f"{name}.int8.onnx", folder / f"{name}.input")
    model = Prepared(name, *places, shape)
    samples = calibration(shape)
    if not model.int8_onnx.exists():
        model.float_onnx.write_bytes(net.model().SerializeToString())
        samples[0].tofile(model.input)
        _quantize_for_onnxruntime(model, samples)
    relaxed = replace(model)
    _compile(model, samples, "simd")
    _compile(relaxed, samples, "relaxed")
    return replace(model, relaxed=relaxed)


def _quantize_for_onnxruntime(model: Prepared, samples: np.ndarray) -> None:
    cleaned, made = (model.int8_onnx.with_suffix(end) for end in (".pre", ".tmp"))
    quant_pre_process(model.float_onnx, cleaned, skip_symbolic_shape=True)
    quantize_static(
        cleaned,
        made,
        _Reader(samples),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    cleaned.unlink()
    made.rename(model.int8_onnx)


def _compile(model: Prepared, samples: np.ndarray, target: str) -> None:
    # The native build needs what the compiler hands to clang, the peers its quantized graph.
    with (
        mock.patch.object(emission, "build_wasm", wraps=emission.build_wasm) as build,
        mock.patch.object(single, "encode", wraps=encode) as encoded,
    ):
        start = time.perf_counter()
        try:
            model.compiled = compile_model(
                model.float_onnx, calibration={"x": samples}, name="bench", target=target
            )
        except Exception as error:  # noqa: BLE001 - a row of the table says so
            model.error = f"{type(error).__name__}: {error}"
            return
        model.seconds = time.perf_counter() - start
        model.source = build.call_args.args[:2]
        model.graph = encode(*encoded.call_args.args)
    model.wasm = model.float_onnx.with_suffix(f".{target}.wasm")
    model.wasm.write_bytes(model.compiled.wasm)
