"""The official suite of the `onnx` package: every case through the compiler, and once more on other inputs.

A case passes if the module gives what the suite expects, by the suite's own comparison, and agrees with
`onnx.reference` on inputs that are drawn anew. The module is compiled before any input is seen.
"""

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import onnx
from onnx.backend.test import BackendTest
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase
from onnx.reference import ReferenceEvaluator

from controller.compiler import BrokenModelError, DynamicShapeError, UnsupportedError
from tests.support.fresh_inputs import NO_REFERENCE, draw
from tests.support.onnx_backend import WasmBackend

SECONDS = 60.0
"""For one case."""

Kind = Literal["plain", "expanded", "other"]
T = onnx.TensorProto
HALF_RTOL = 2.0**-9
"""Two ulps of float16: the reference rounds to it after every step, we only at the end."""
NOISE = dict.fromkeys(
    ("test_dft_inverse", "test_dft_inverse_opset19"),
    "the suite expects the rounding errors of NumPy's float32 transform, up to 1.5e-6, where 0 is exact",
)
"""Why cases differ that ask for more than the operator's definition."""
_PLAIN = frozenset(
    {
        *(T.FLOAT, T.FLOAT16, T.DOUBLE, T.BOOL),
        *(T.INT8, T.INT16, T.INT32, T.INT64, T.UINT8, T.UINT16, T.UINT32, T.UINT64),
    }
)


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        status: "passed"; "refused" with an error of the compiler; or "failed".
        reason: In one line, unless it passed.
        fresh: Whether it was run on inputs drawn anew as well.
    """

    status: Literal["passed", "refused", "failed"]
    reason: str = ""
    fresh: bool = False


@cache
def cases() -> dict[str, TestCase]:
    """All node cases by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The suite draws its inputs from NumPy's global generator.
        np.random.seed(0)  # noqa: NPY002
        return {case.name: case for case in collect_testcases(None)}


@cache
def _tests() -> type:
    return BackendTest(WasmBackend, __name__).test_cases["OnnxBackendNodeModelTest"]


def kind(case: TestCase) -> Kind:
    """Plain cases have tensors only, of plain types; a function's expansion is counted apart."""
    values = [*case.model.graph.input, *case.model.graph.output]
    kinds = [(v.type.WhichOneof("value"), v.type.tensor_type.elem_type) for v in values]
    if not all(what == "tensor_type" and dtype in _PLAIN for what, dtype in kinds):
        return "other"
    return "expanded" if "_expanded" in case.name else "plain"


def operator(case: TestCase) -> str:
    """What the case is about, for grouping; of an expansion, what was expanded."""
    return _operator(_origin(case))


def _origin(case: TestCase) -> TestCase:
    """Of an expansion the case with the operator itself."""
    return cases().get(case.name.split("_expanded")[0], case)


def _operator(case: TestCase) -> str:
    ops = list(dict.fromkeys(node.op_type for node in case.model.graph.node if node.op_type != "Constant"))
    return ops[-1] if ops else "Constant"


def select(parts: Sequence[str] = ()) -> list[str]:
    """Names of the cases that contain any of the parts, or are of an operator of that name; sorted."""
    return sorted(
        name
        for name, case in cases().items()
        if not parts or any(p in name or p == operator(case) for p in parts)
    )


def prepare() -> None:
    """Load everything that processes forked from this one will share."""
    cases()
    _tests()


def run_case(name: str, seed: int = 0) -> Outcome:
    """Compile and run one case.

    Args:
        name: Of the case.
        seed: For the inputs that are drawn anew.
    """
    case = cases()[name]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            getattr(_tests(), f"{name}_cpu")(None)
            if name in NO_REFERENCE:
                return Outcome("passed")
            _compare_with_reference(case, seed)
        except (UnsupportedError, BrokenModelError, DynamicShapeError) as error:
            return Outcome("refused", error.what)
        except AssertionError as error:
            return Outcome("failed", NOISE.get(name, " ".join(str(error).split())[:240]))
        # Whatever goes wrong is what became of the case.
        except Exception as error:  # noqa: BLE001
            text = " ".join(str(error).split())
            return Outcome("failed", f"{type(error).__name__}: {text[:240]}")
    return Outcome("passed", fresh=True)


def _half_atol(case: TestCase, wanted: np.ndarray) -> float:
    """Of what is small beside the rest; with scales of float16 a quantized result can be the next integer."""
    if wanted.dtype.kind in "iu":
        return 1.0 if operator(case) in ("QLinearMatMul", "QuantizeLinear") else case.atol
    if wanted.dtype.kind != "f":
        return case.atol
    return max(case.atol, HALF_RTOL * float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0)))


def _compare_with_reference(case: TestCase, seed: int) -> None:
    random = np.random.default_rng([zlib.crc32(case.name.encode()), seed])
    names = [value.name for value in case.model.graph.input]
    for inputs, _ in case.data_sets:
        given = [onnx.numpy_helper.to_array(x) if isinstance(x, T) else np.asarray(x) for x in inputs]
        fresh = draw(_origin(case).model.graph, dict(zip(names, given, strict=True)), random)
        try:
            wanted = ReferenceEvaluator(case.model).run(None, dict(fresh))
        except Exception as error:
            raise AssertionError(f"onnx.reference cannot run: {error!r}") from error
        assert WasmBackend.prepared is not None
        outputs = WasmBackend.prepared.run(list(fresh.values()))
        half = any(value.dtype == np.float16 for value in fresh.values())
        try:
            for want, output in zip(map(np.asarray, wanted), outputs, strict=True):
                rtol, atol = (HALF_RTOL, _half_atol(case, want)) if half else (case.rtol, case.atol)
                BackendTest.assert_similar_outputs([want], [output], rtol=rtol, atol=atol)
        except AssertionError as error:
            raise AssertionError(f"on fresh inputs (seed {seed}): {error}") from error
