"""Scratch sizes: the macros of `modules/kernels/include/fleet/convolution.h`; the emitted C asserts them."""

from bisect import bisect_right

from controller.compiler.plan.steps import Params, Scratch
from controller.compiler.targets import Target

_PATCH_BYTES = 16384
"""The largest patch of more than four outputs: half of a common L1 cache."""

_STACK_PATCH = 8192
"""A smaller patch lies on the stack."""


def _scratch(patch: int) -> int:
    return patch if patch > _STACK_PATCH else 0


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def conv_s8(window: Params, groups: int, target: Target, limit: int | None = None) -> tuple[Scratch, int]:
    """Scratch of `fleet_conv_s8`, and patch_pixels.

    As many pixels as fit into a patch, a multiple of 4, but at least 4: each patch reads all weights again.
    Those of a flat patch, in which windows share nothing, are few: they stay on the stack.
    Only a limit makes it fewer. A host's kernel has two outputs at a time, the reference needs none.
    """
    lane, line = target.lane, _line(window)
    if target.host:
        nbytes = 5 * _round_up(window["kernel_h"] * window["kernel_w"] * (window["in_c"] // groups), 4)
        return Scratch(nbytes, "", nbytes), 1

    def patch(pixels: int) -> int:
        return _conv_s8(window, groups, pixels, lane)[0]

    def most(bound: int) -> int:
        fours = range(4, line, 4)
        if patch(line) <= bound or not fours:
            return line
        return fours[max(0, bisect_right(fours, bound, key=patch) - 1)]

    bound = _STACK_PATCH if is_flat(window, groups, lane) else _PATCH_BYTES
    pixels = most(bound)
    if limit is not None:
        fewer = (most(min(max(limit, _STACK_PATCH), bound)), min(line, 2), 1)
        pixels = next((count for count in fewer if _scratch(patch(count)) <= limit), 1)
    nbytes, macro = _conv_s8(window, groups, pixels, lane)
    if not target.simd:
        return Scratch(0, macro), pixels
    return Scratch(_scratch(nbytes), macro, _scratch(patch(1))), pixels


def _conv_s8(window: Params, groups: int, pixels: int, lane: int) -> tuple[int, str]:
    kernel_h, kernel_w, step, ic = _steps(window, groups)
    macro = f"FLEET_CONV_S8_SCRATCH({pixels}, {kernel_h}, {kernel_w}, {step}, {ic})"
    run = ((pixels - 1) * step + kernel_w) * ic
    excess = _round_up(4 * pixels, 16) if lane == 4 else 0
    if is_flat(window, groups, lane):
        lanes = -(-kernel_h * kernel_w * ic // lane)
        rows = _round_up(4 // lane * kernel_h * run + 16, 16)
        return _splatted(pixels * lanes * lane, lane) + 16 + excess + rows, macro
    return kernel_h * _splatted(run, lane) + 16 + excess, macro


def _splatted(count: int, lane: int) -> int:
    return 16 // lane * _round_up(count, 4 * lane)


def is_flat(window: Params, groups: int, lane: int) -> bool:
    """Whether `fleet_conv_s8` copies whole windows, whose weights are one segment: FLEET_CONV_S8_FLAT."""
    kernel_h, kernel_w, step, ic = _steps(window, groups)
    return bool(step * ic % lane) or (kernel_h > 1 and kernel_w * ic < 8)


def _steps(window: Params, groups: int) -> tuple[int, int, int, int]:
    """kernel_h, kernel_w, the columns that neighbouring windows are apart, and input channels of a group."""
    kernel_w, stride_w = window["kernel_w"], window["stride_w"]
    step = stride_w if window["dilation_w"] == 1 and stride_w <= kernel_w else kernel_w
    return window["kernel_h"], kernel_w, step, window["in_c"] // groups


_MOST_TILES, _LEAST_TILES = 64, 8
_WINOGRAD_BYTES = 3 << 18


def winograd_conv_s8(window: Params, limit: int | None = None) -> tuple[Scratch, int] | None:
    """Scratch of `fleet_winograd_conv_s8`, and its tiles at a time; None where those are too few to pay.

    Each time transforms all weights, and sums and inputs should stay in the second cache.
    """
    tiles = window["batch"] * ((window["out_h"] + 1) // 2) * ((window["out_w"] + 1) // 2)
    fixed, each = 512 * window["in_c"] + 2048, 32 * window["in_c"] + 1024
    bound = _WINOGRAD_BYTES if limit is None else min(limit, _WINOGRAD_BYTES)
    fitting = (bound - fixed) // each // 2 * 2
    most = min(tiles, _MOST_TILES, max(fitting, _LEAST_TILES if limit is None else 0))
    if most < min(tiles, _LEAST_TILES):
        return None
    times = -(-tiles // most)
    most = _round_up(-(-tiles // times), 2)
    macro = f"FLEET_WINOGRAD_CONV_S8_SCRATCH({most}, {window['in_c']})"
    return Scratch(fixed + each * most, macro), most


def _line(window: Params) -> int:
    """Outputs that a patch may hold: a row, or all where neighbours in memory are neighbours in the map."""
    pointwise = all(window[key] == 1 for key in ("kernel_h", "kernel_w", "stride_h", "stride_w"))
    unpadded = not any(window.get(key) for key in ("pad_top", "pad_left", "pad_bottom", "pad_right"))
    if pointwise and unpadded:
        return int(window["batch"] * window["out_h"] * window["out_w"])
    return int(window["out_w"])


def matmul_s8(window: Params, target: Target, limit: int | None = None) -> tuple[Scratch, int]:
    """Scratch of `fleet_matmul_s8`, and patch_rows: as for a 1x1 convolution over the rows."""
    space, rows = conv_s8(window, 1, target, limit)
    return Scratch(space.nbytes, f"FLEET_MATMUL_S8_SCRATCH({rows}, {window['in_c']})", space.least), rows


def depthwise_conv_s8(window: Params, target: Target) -> Scratch:
    """Scratch of `fleet_depthwise_conv_s8`."""
    kernel_h, kernel_w, channels = window["kernel_h"], window["kernel_w"], window["in_c"]
    if target.host:
        nbytes = _round_up(channels, 4) + 8 * kernel_h * kernel_w
        return Scratch(nbytes, "", nbytes)
    macro = f"FLEET_DEPTHWISE_CONV_S8_SCRATCH({kernel_h}, {kernel_w}, {channels})"
    nbytes = 24 * _round_up(kernel_h * kernel_w, 2) + channels
    return Scratch(_scratch(nbytes) if target.simd else 0, macro)
