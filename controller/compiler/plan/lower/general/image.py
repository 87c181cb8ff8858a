"""Interpolation, sampling, boxes."""

import math
from typing import Any

import numpy as np

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix, with_scratch
from controller.compiler.plan.lower.general.window import windows
from controller.compiler.plan.steps import Slot, Step

_MODES = {"nearest": 0, "linear": 1, "cubic": 2}
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_COORDINATES = (
    *("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"),
    "tf_crop_and_resize",
)
_ASPECTS = ("stretch", "not_larger", "not_smaller")
_PADDINGS = ("zeros", "border", "reflection")


def _taps(attrs: dict[str, Any], in_size: int, out_size: int) -> int:
    """Room for the taps of one dimension; a scale may round to the planned size from either side."""
    reach = 2 if attrs["mode"] == "cubic" else 1
    if not attrs["antialias"] or out_size >= in_size:
        return 2 * reach
    return 2 - 2 * (math.floor(-reach * (in_size + 1) / max(out_size - 1, 0.5)) + 1)


def resize(site: Site) -> Step:
    """Resize by sizes or scales, which may be computed."""
    x, how, out, attrs = site.tensor(0), site.tensor(1), site.out, site.node.attrs
    axes = attrs["axes"]
    taps = [_taps(attrs, size, out.shape[d]) if d in axes and size else 1 for d, size in enumerate(x.shape)]
    by_sizes, has_roi = how.dtype.kind == "i", len(site.node.inputs) > 2
    params = {
        "rank": len(x.shape),
        "in": list(x.shape),
        "out": list(out.shape),
        "taps": taps,
        "axes": len(axes),
        "axis": list(axes),
        "aspect": _ASPECTS.index(attrs["aspect"]),
        "how": {
            "mode": _MODES[attrs["mode"]],
            "nearest": _NEAREST.index(attrs["nearest_mode"]),
            "coordinates": _COORDINATES.index(attrs["coordinates"]),
            "antialias": attrs["antialias"],
            "exclude_outside": attrs["exclude_outside"],
            "cubic": float(attrs["cubic_coeff_a"]),
        },
        "extrapolation": float(attrs["extrapolation_value"]),
    }
    call = instance(
        "resize.h",
        f"fleet_resize_{suffix(x.dtype)}_{'sizes' if by_sizes else 'scales'}{'_roi' if has_roi else ''}",
        "fleet_resize",
        params,
        (*(site.argument(index) for index in range(len(site.node.inputs))), Slot(out.name)),
        X=c_type(x.dtype),
        SIZES=str(int(by_sizes)),
        ROI=str(int(has_roi)),
    )
    doubles = sum(size * room + (size + 1) // 2 for size, room in zip(out.shape, taps, strict=True))
    return site.step(with_scratch(call, 8 * max(doubles, 1)))


def grid_sample(site: Site) -> Step:
    """GridSample."""
    x, grid, attrs = site.tensor(0), site.tensor(1), site.node.attrs
    params = {
        "rank": len(x.shape) - 2,
        "batch": x.shape[0],
        "channels": x.shape[1],
        "places": math.prod(grid.shape[1:-1]),
        "size": list(x.shape[2:]),
        "mode": _MODES[attrs["mode"]],
        "padding": _PADDINGS.index(attrs["padding_mode"]),
        "align_corners": attrs["align_corners"],
    }
    call = instance(
        "grid_sample.h",
        f"fleet_grid_sample_{suffix(x.dtype)}",
        "fleet_grid_sample",
        params,
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=c_type(x.dtype),
    )
    return site.step(call)


def non_max_suppression(site: Site) -> Step:
    """NonMaxSuppression."""
    boxes, scores = site.tensor(0), site.tensor(1)
    threshold = len(site.node.inputs) > 4
    arguments = [site.argument(index) for index in range(4)]
    # Without a threshold any float will do: it is not read.
    arguments.append(site.argument(4 if threshold else 3))
    params = {
        "batches": boxes.shape[0],
        "classes": scores.shape[1],
        "boxes": boxes.shape[1],
        "centre": site.node.attrs["center_point_box"],
        "threshold": threshold,
    }
    call = instance(
        "non_max_suppression.h",
        "fleet_non_max_suppression",
        "fleet_non_max_suppression",
        params,
        (*arguments, *(Slot(name) for name in site.node.outputs)),
    )
    return site.step(with_scratch(call, boxes.shape[1]))


def roi_align(site: Site) -> Step:
    """RoiAlign."""
    x, attrs, out = site.tensor(0), site.node.attrs, site.out
    largest = attrs["mode"] == "max"
    params = {
        "rois": site.tensor(1).shape[0],
        "batch": x.shape[0],
        "channels": x.shape[1],
        "in_h": x.shape[2],
        "in_w": x.shape[3],
        "out_h": out.shape[2],
        "out_w": out.shape[3],
        "sampling": attrs["sampling_ratio"],
        "half_pixel": attrs["half_pixel"],
        "scale": np.float32(attrs["spatial_scale"]),
    }
    call = instance(
        "roi_align.h",
        f"fleet_roi_align_{suffix(x.dtype)}{'_max' if largest else ''}",
        "fleet_roi_align",
        params,
        (*(site.argument(index) for index in range(3)), Slot(out.name)),
        X=c_type(x.dtype),
        LARGEST=str(int(largest)),
    )
    return site.step(call)


def col2im(site: Site) -> Step:
    """Col2Im: a window over the image, walked backwards."""
    x, out = site.tensor(0), site.out
    blocks = [
        (size + begin + end - ((kernel - 1) * dilation + 1)) // stride + 1
        for size, begin, end, kernel, dilation, stride in zip(
            out.shape[2:],
            site.node.attrs["pads"],
            site.node.attrs["pads"][len(out.shape) - 2 :],
            site.node.attrs["kernel_shape"],
            site.node.attrs["dilations"],
            site.node.attrs["strides"],
            strict=False,
        )
    ]
    window = windows(site, out.shape, (out.shape[0], out.shape[1], *blocks))
    call = instance(
        "col2im.h",
        f"fleet_col2im_{suffix(x.dtype)}",
        "fleet_windows",
        window,
        (site.argument(0), Slot(out.name)),
        X=c_type(x.dtype),
    )
    return site.step(call)


def deform_conv(site: Site) -> Step:
    """DeformConv of two dimensions."""
    x, out, attrs = site.tensor(0), site.out, site.node.attrs
    masked = len(site.node.inputs) > 4
    arguments = [site.argument(index) for index in range(4)]
    # Without a mask any tensor will do: it is not read.
    arguments.append(site.argument(4 if masked else 3))
    call = instance(
        "deform_conv.h",
        f"fleet_deform_conv_{suffix(x.dtype)}",
        "fleet_deform_conv",
        {
            "window": windows(site, x.shape, out.shape, attrs["group"]),
            "offset_group": attrs["offset_group"],
            "masked": masked,
        },
        (*arguments, Slot(out.name)),
        X=c_type(x.dtype),
    )
    macs = out.size * math.prod(attrs["kernel_shape"]) * x.shape[1] // attrs["group"]
    return site.step(call, macs=macs)


LOWERINGS: dict[str, Lowering] = {
    "Col2Im": col2im,
    "DeformConv": deform_conv,
    "GridSample": grid_sample,
    "NonMaxSuppression": non_max_suppression,
    "Resize": resize,
    "RoiAlign": roi_align,
}
