"""Scratch sizes: the macros of `modules/kernels/include/fleet/convolution.h` in Python; the emitted C asserts them."""

from controller.compiler.plan.steps import Scratch

_PATCH_BYTES = 16384


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def conv_s8(line: int, kernel: tuple[int, int], stride_w: int, dilation_w: int, ic: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_conv_s8`; `line` is the number of outputs in a row."""
    kernel_h, kernel_w = kernel
    step = stride_w if dilation_w == 1 and stride_w < kernel_w else kernel_w
    macro = f"FLEET_CONV_S8_SCRATCH({line}, {kernel_h}, {kernel_w}, {step}, {ic})"
    # C divides towards zero; a kernel larger than the patch makes the numerator negative.
    fitting = int((_PATCH_BYTES // 2 // (kernel_h * ic) - kernel_w) / step) + 1
    pixels = min(line, max(4, fitting))
    nbytes = _round_up(2 * kernel_h * ic * ((pixels - 1) * step + kernel_w) + 2, 16)
    return Scratch(nbytes if simd else 0, macro)


def matmul_s8(rows: int, depth: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_matmul_s8`."""
    return Scratch(conv_s8(rows, (1, 1), 1, 1, depth, simd=simd).nbytes, f"FLEET_MATMUL_S8_SCRATCH({rows}, {depth})")


def depthwise_conv_s8(out_w: int, channels: int, kernel_h: int, stride_w: int, extent: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_depthwise_conv_s8`; `extent` is the width of a window in input columns."""
    macro = f"FLEET_DEPTHWISE_CONV_S8_SCRATCH({out_w}, {channels}, {kernel_h}, {stride_w}, {extent})"
    pairs = (kernel_h + 1) // 2
    block = min(64, _round_up(channels, 8)) if pairs * extent * 256 <= _PATCH_BYTES else 8
    fitting = int((_PATCH_BYTES // (pairs * 4 * block) - extent) / stride_w) + 1
    pixels = min(out_w, max(1, fitting))
    return Scratch(pairs * 4 * block * ((pixels - 1) * stride_w + extent) if simd else 0, macro)
