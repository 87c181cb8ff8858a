"""Each kernel is broken once; the error must name the layer it broke in."""

import re
import shutil
from pathlib import Path

import pytest

from controller.compiler import LayerTrap, build, resources
from controller.compiler.emit import toolchain
from tests.support import onnx_models as models

# kernel -> recipe, whether int8, the part of the message that names the layer
CASES = {
    "fleet_add_f32": ("residual", False, "add_3 (/add_3, Add)"),
    "fleet_add_s8": ("residual", True, "add_2 (/add_3, Add)"),
    "fleet_average_pool_f32": ("global_average_pool", False, "(/globalaveragepool_0, GlobalAveragePool 9x8)"),
    "fleet_average_pool_s8": ("average_pool", True, "(/averagepool_0, AveragePool 3x2)"),
    "fleet_clip_f32": ("clip_one_bound", False, "clip_0 (/clip_0, Clip)"),
    "fleet_conv_f32": ("conv_groups", False, "(/conv_0, Conv 3x3 6->9 in 3 groups)"),
    "fleet_conv_s8": ("conv_5x3_strides", True, "(/conv_0, Conv 5x3 3->6)"),
    "fleet_copy": ("reshape_to_output", True, "reshape_0 (/reshape_0, Reshape)"),
    "fleet_depthwise_conv_f32": ("conv_depthwise", False, "(/conv_0, Conv 3x3 depthwise 11)"),
    "fleet_depthwise_conv_s8": ("conv_depthwise", True, "(/conv_0, Conv 3x3 depthwise 11)"),
    "fleet_dequantize_s8_f32": ("matmul_two_activations", True, "(x/DequantizeLinear, DequantizeLinear)"),
    "fleet_div_f32": ("div_same", False, "div_2 (/div_2, Div)"),
    "fleet_hard_sigmoid_f32": ("hard_sigmoid_alone", False, "hardsigmoid_0 (/hardsigmoid_0, HardSigmoid)"),
    "fleet_hard_swish_f32": ("hard_swish_alone", False, "hardswish_0 (/hardswish_0, HardSwish)"),
    "fleet_matmul_f32": ("matmul_two_activations", False, "matmul_0 (/matmul_0, MatMul 5->4)"),
    "fleet_matmul_s8": ("gemm", True, "gemm_0 (/gemm_0, Gemm 21->10)"),
    "fleet_max_pool_f32": ("max_pool", False, "(/maxpool_0, MaxPool 2x3)"),
    "fleet_max_pool_s8": ("max_pool", True, "(/maxpool_0, MaxPool 2x3)"),
    "fleet_mul_f32": ("mul_same", False, "mul_0 (/mul_0, Mul)"),
    "fleet_mul_s8": ("mul_same", True, "mul_0 (/mul_0, Mul)"),
    "fleet_quantize_f32_s8": ("matmul_two_activations", True, "(t0/QuantizeLinear, QuantizeLinear)"),
    "fleet_sigmoid_f32": ("sigmoid_alone", False, "sigmoid_0 (/sigmoid_0, Sigmoid)"),
    "fleet_softmax_f32": ("softmax", False, "softmax_0 (/softmax_0, Softmax)"),
    "fleet_softmax_s8": ("softmax", True, "softmax_0 (/softmax_0, Softmax)"),
    "fleet_strided_copy": ("concat_last_axis", True, "concat_2 (/concat_0, Concat 3 inputs)"),
    "fleet_sub_f32": ("sub_same", False, "sub_0 (/sub_0, Sub)"),
    "fleet_winograd_conv_s8": ("conv_winograd", True, "(/conv_1, Conv 3x3 32->16)"),
    "fleet_table_s8": ("sigmoid_alone", True, "sigmoid_0 (/sigmoid_0, Sigmoid)"),
}


def _kernels(variant: str) -> set[str]:
    return {path.stem for path in (resources.kernels() / variant).rglob("fleet_*.c")}


def test_every_kernel_is_broken():
    # The check of the outputs belongs to no layer; constant Gather is folded, and no graph calls its kernel;
    # Winograd is for SIMD only.
    assert _kernels("reference") - CASES.keys() == {"fleet_all_finite_f32", "fleet_gather"}
    assert _kernels("simd128") <= CASES.keys()


@pytest.fixture
def breakable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the kernels that the compiler uses instead, with a cache of its own."""
    copy = tmp_path / "kernels"
    shutil.copytree(resources.kernels(), copy)
    monkeypatch.setattr(resources, "kernels", lambda: copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    toolchain.kernels_object.cache_clear()
    yield copy
    toolchain.kernels_object.cache_clear()


@pytest.mark.parametrize(
    ("target", "variant", "kernel"),
    [
        (target, variant, kernel)
        for target, variant in (("mvp", "reference"), ("simd", "simd128"))
        for kernel in sorted(_kernels(variant) & CASES.keys())
        if (target, kernel) != ("mvp", "fleet_winograd_conv_s8")
    ],
)
def test_trap_names_the_layer(target, variant, kernel, breakable, make_project):
    recipe, int8, place = CASES[kernel]
    _trap_in(kernel, breakable / variant)
    with pytest.raises(LayerTrap) as caught:
        build(make_project(models.build(recipe), int8=int8), targets=[target])
    assert place in caught.value.what
    assert caught.value.what.startswith("trap in ")
    assert " -> " in caught.value.what
    assert "unreachable" in caught.value.what
    assert f"target {target}" in str(caught.value)


def _trap_in(kernel: str, variant: Path) -> None:
    source = next(variant.rglob(f"{kernel}.c"))
    text, count = re.subn(rf"(\b{kernel}\([^{{]*\{{)", r"\1 __builtin_trap();", source.read_text(), count=1)
    assert count == 1
    source.write_text(text)
