"""Scratch sizes: the macros of `modules/kernels/include/fleet/convolution.h`; the emitted C asserts them."""

from controller.compiler.plan.steps import Params, Scratch

_PATCH_BYTES = 16384


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _towards_zero(numerator: int, denominator: int) -> int:
    """Division as C does it; a kernel larger than a patch makes the numerator negative."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def conv_s8(window: Params, groups: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_conv_s8`."""
    kernel_h, kernel_w, stride_w = window["kernel_h"], window["kernel_w"], window["stride_w"]
    step = stride_w if window["dilation_w"] == 1 and stride_w < kernel_w else kernel_w
    line, ic = _line(window), window["in_c"] // groups
    macro = f"FLEET_CONV_S8_SCRATCH({line}, {kernel_h}, {kernel_w}, {step}, {ic})"
    pixels = min(line, max(2, _towards_zero(_PATCH_BYTES // 2 // (kernel_h * ic) - kernel_w, step) + 1))
    nbytes = _round_up(2 * kernel_h * ic * ((pixels - 1) * step + kernel_w) + 2, 16)
    return Scratch(nbytes if simd else 0, macro)


def _line(window: Params) -> int:
    """Outputs that a patch may hold: a row, or all where neighbours in memory are neighbours in the map."""
    pointwise = all(window[key] == 1 for key in ("kernel_h", "kernel_w", "stride_h", "stride_w"))
    unpadded = not any(window[key] for key in ("pad_top", "pad_left", "pad_bottom", "pad_right"))
    if pointwise and unpadded:
        return int(window["batch"] * window["out_h"] * window["out_w"])
    return int(window["out_w"])


def matmul_s8(rows: int, depth: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_matmul_s8`: a 1x1 convolution over the rows."""
    pixels = min(rows, max(2, _towards_zero(_PATCH_BYTES // 2 // depth - 1, 1) + 1))
    nbytes = _round_up(2 * depth * pixels + 2, 16)
    return Scratch(nbytes if simd else 0, f"FLEET_MATMUL_S8_SCRATCH({rows}, {depth})")


def depthwise_conv_s8(window: Params, *, simd: bool) -> Scratch:
    """Scratch of `fleet_depthwise_conv_s8`."""
    kernel_h, stride_w, channels = window["kernel_h"], window["stride_w"], window["out_c"]
    extent = (window["kernel_w"] - 1) * window["dilation_w"] + 1
    macro = (
        f"FLEET_DEPTHWISE_CONV_S8_SCRATCH({window['out_w']}, {channels}, {kernel_h}, {stride_w}, {extent})"
    )
    pairs = (kernel_h + 1) // 2
    block = min(64, _round_up(channels, 8)) if pairs * extent * 256 <= _PATCH_BYTES else 8
    fitting = _towards_zero(_PATCH_BYTES // (pairs * 4 * block) - extent, stride_w) + 1
    pixels = min(window["out_w"], max(1, fitting))
    return Scratch(pairs * 4 * block * ((pixels - 1) * stride_w + extent) if simd else 0, macro)
