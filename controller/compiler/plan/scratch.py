"""Scratch sizes: the macros of `modules/kernels/include/fleet/convolution.h`; the emitted C asserts them."""

from controller.compiler.plan.steps import Params, Scratch

_PATCH_BYTES = 16384
"""The largest patch of more than four outputs: half of a common L1 cache."""


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def conv_s8(window: Params, groups: int, limit: int | None = None) -> tuple[Scratch, int, int]:
    """Scratch of `fleet_conv_s8`, patch_pixels and patch_rows.

    As many pixels as fit into a patch, a multiple of 4. Beyond the limit, if there is one, patches of single
    kernel rows, then of 2 pixels: fewer pixels read all weights more often.
    """
    line, kernel_h = _line(window), window["kernel_h"]
    counts = (line, *range((line - 1) // 4 * 4, 4, -4)) if line > 4 else ()
    fitting = (n for n in counts if _conv_s8(window, groups, n, kernel_h)[0] <= _PATCH_BYTES)
    few, two = min(line, 4), min(line, 2)
    choices = [
        (next(fitting, few), kernel_h),
        (8, kernel_h),
        (few, kernel_h),
        (few, 1),
        (two, kernel_h),
        (two, 1),
    ]
    sizes = [_conv_s8(window, groups, *choice) for choice in choices]
    least = min(nbytes for nbytes, _ in sizes)
    bound = sizes[0][0] if limit is None else max(limit, least)
    best = next(i for i, (nbytes, _) in enumerate(sizes) if nbytes <= bound)
    return Scratch(*sizes[best], least), *choices[best]


def _conv_s8(window: Params, groups: int, pixels: int, rows: int) -> tuple[int, str]:
    kernel_h, kernel_w, stride_w = window["kernel_h"], window["kernel_w"], window["stride_w"]
    step = stride_w if window["dilation_w"] == 1 and stride_w <= kernel_w else kernel_w
    ic, oc = window["in_c"] // groups, window["out_c"] // groups
    macro = f"FLEET_CONV_S8_SCRATCH({pixels}, {rows}, {kernel_h}, {kernel_w}, {step}, {ic}, {oc})"
    run = ((pixels - 1) * step + kernel_w) * ic
    if step * ic % 2 or (kernel_h > 1 and kernel_w * ic < 16):
        windows = 16 * (pixels * kernel_h * ((kernel_w * ic + 1) // 2) + 3)
        return windows + _round_up(2 * kernel_h * run + 14, 16), macro
    return 8 * rows * _round_up(run, 8) + (4 * pixels * _round_up(oc, 4) if rows < kernel_h else 0), macro


def _line(window: Params) -> int:
    """Outputs that a patch may hold: a row, or all where neighbours in memory are neighbours in the map."""
    pointwise = all(window[key] == 1 for key in ("kernel_h", "kernel_w", "stride_h", "stride_w"))
    unpadded = not any(window[key] for key in ("pad_top", "pad_left", "pad_bottom", "pad_right"))
    if pointwise and unpadded:
        return int(window["batch"] * window["out_h"] * window["out_w"])
    return int(window["out_w"])


def matmul_s8(rows: int, depth: int, limit: int | None = None) -> tuple[Scratch, int]:
    """Scratch of `fleet_matmul_s8`, and patch_rows: as for a 1x1 convolution over the rows."""
    row = 8 * _round_up(depth, 2)
    choices = [min(rows, max(4, _PATCH_BYTES // row // 4 * 4)), min(rows, 4), min(rows, 2)]
    sizes = [8 * _round_up(count * _round_up(depth, 2), 8) for count in choices]
    bound = sizes[0] if limit is None else max(limit, sizes[-1])
    best = next(i for i, nbytes in enumerate(sizes) if nbytes <= bound)
    macro = f"FLEET_MATMUL_S8_SCRATCH({choices[best]}, {depth})"
    return Scratch(sizes[best], macro, sizes[-1]), choices[best]


def depthwise_conv_s8(window: Params, limit: int | None = None) -> tuple[Scratch, int]:
    """Scratch of `fleet_depthwise_conv_s8`, and patch_pixels: of a row as many as fit, at least one."""
    kernel_h, stride_w = window["kernel_h"], window["stride_w"]
    extent = (window["kernel_w"] - 1) * window["dilation_w"] + 1
    column = (kernel_h + 1) // 2 * 32
    bound = _PATCH_BYTES if limit is None else limit
    pixels = min(window["out_w"], max(1, (bound // column - extent) // stride_w + 1))
    macro = f"FLEET_DEPTHWISE_CONV_S8_SCRATCH({pixels}, {kernel_h}, {stride_w}, {extent})"
    least = min(window["out_w"], 8)
    sizes = [column * ((count - 1) * stride_w + extent) for count in (pixels, least)]
    return Scratch(sizes[0], macro, min(sizes)), pixels
