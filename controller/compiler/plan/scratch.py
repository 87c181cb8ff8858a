"""Scratch sizes: the macros of `modules/kernels/include/fleet/convolution.h`; the emitted C asserts them."""

from controller.compiler.plan.steps import Params, Scratch

_PATCH_BYTES = 16384


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def conv_s8(window: Params, groups: int, pixels: int, rows: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_conv_s8` with patches of so many pixels and kernel rows."""
    kernel_h, kernel_w, stride_w = window["kernel_h"], window["kernel_w"], window["stride_w"]
    step = stride_w if window["dilation_w"] == 1 and stride_w <= kernel_w else kernel_w
    ic, oc = window["in_c"] // groups, window["out_c"] // groups
    macro = f"FLEET_CONV_S8_SCRATCH({pixels}, {rows}, {kernel_h}, {kernel_w}, {step}, {ic}, {oc})"
    run = ((pixels - 1) * step + kernel_w) * ic
    if step * ic % 2 or (kernel_h > 1 and kernel_w * ic < 16):
        windows = 16 * (pixels * kernel_h * ((kernel_w * ic + 1) // 2) + 3)
        nbytes = windows + _round_up(2 * kernel_h * run + 14, 16)
    else:
        nbytes = 8 * rows * _round_up(run, 8) + (4 * pixels * _round_up(oc, 4) if rows < kernel_h else 0)
    return Scratch(nbytes if simd else 0, macro)


def conv_s8_pixels(window: Params, groups: int, limit: int = _PATCH_BYTES) -> int:
    """The largest patch of whole windows whose scratch is within a limit: a multiple of 4, or the whole line.

    At least 4, as each patch reads all weights again.
    """
    line = _line(window)
    pixels = min(line, 4)
    while pixels < line:
        more = min(line, pixels + 4)
        if conv_s8(window, groups, more, window["kernel_h"], simd=True).nbytes > limit:
            break
        pixels = more
    return pixels


def _line(window: Params) -> int:
    """Outputs that a patch may hold: a row, or all where neighbours in memory are neighbours in the map."""
    pointwise = all(window[key] == 1 for key in ("kernel_h", "kernel_w", "stride_h", "stride_w"))
    unpadded = not any(window[key] for key in ("pad_top", "pad_left", "pad_bottom", "pad_right"))
    if pointwise and unpadded:
        return int(window["batch"] * window["out_h"] * window["out_w"])
    return int(window["out_w"])


def matmul_s8(rows: int, depth: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_matmul_s8` with patches of so many rows: a 1x1 convolution over them."""
    nbytes = 8 * _round_up(rows * _round_up(depth, 2), 8)
    return Scratch(nbytes if simd else 0, f"FLEET_MATMUL_S8_SCRATCH({rows}, {depth})")


def matmul_s8_rows(rows: int, depth: int, limit: int = _PATCH_BYTES) -> int:
    """The largest patch whose scratch is within a limit, as `conv_s8_pixels`."""
    fitting = limit // (8 * _round_up(depth, 2)) // 4 * 4
    return min(rows, max(4, fitting))


def depthwise_conv_s8(window: Params, pixels: int, *, simd: bool) -> Scratch:
    """Scratch of `fleet_depthwise_conv_s8` with patches of so many pixels."""
    kernel_h, stride_w = window["kernel_h"], window["stride_w"]
    extent = (window["kernel_w"] - 1) * window["dilation_w"] + 1
    macro = f"FLEET_DEPTHWISE_CONV_S8_SCRATCH({pixels}, {kernel_h}, {stride_w}, {extent})"
    nbytes = (kernel_h + 1) // 2 * 32 * ((pixels - 1) * stride_w + extent)
    return Scratch(nbytes if simd else 0, macro)


def depthwise_conv_s8_pixels(window: Params, limit: int = _PATCH_BYTES) -> int:
    """The largest part of a row whose scratch is within a limit, at least one pixel."""
    one, two = (depthwise_conv_s8(window, pixels, simd=True).nbytes for pixels in (1, 2))
    fitting = 1 + max(0, limit - one) // (two - one)
    return int(min(window["out_w"], fitting))
