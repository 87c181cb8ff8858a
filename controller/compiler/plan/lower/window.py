"""Conv and the pools. Maps are channels-last; one-dimensional ones have a height of 1."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.compiler.ir import FLOAT, Array, Tensor
from controller.compiler.passes.layout import reads_planes
from controller.compiler.plan import overlap, packing, scratch
from controller.compiler.plan.lower.common import Lowering, Site, multipliers, zeros
from controller.compiler.plan.steps import Call, Distance, Params, Slot, Step

_WINOGRAD_CHANNELS = 32
_WINOGRAD_SUM = 1 << 29
"""Winograd's sums are four times the convolution's and must fit an int32 in the end."""


@dataclass(frozen=True)
class Convolution:
    """What a convolution is made of.

    Attributes:
        window: `struct fleet_window`.
        weights: OIHW.
        bias: [out_c].
    """

    window: Params
    weights: Array
    bias: Array
    groups: int = 1

    @property
    def depthwise(self) -> bool:
        """Whether each channel has one filter of its own, for which there are kernels."""
        return self.groups > 1 and self.groups == self.window["in_c"] == self.window["out_c"]

    @property
    def detail(self) -> str:
        """One readable line."""
        size = f"Conv {self.window['kernel_h']}x{self.window['kernel_w']}"
        if self.depthwise:
            return f"{size} depthwise {self.groups}"
        grouped = f" in {self.groups} groups" if self.groups > 1 else ""
        return f"{size} {self.window['in_c']}->{self.window['out_c']}{grouped}"


def _plane(tensor: Tensor) -> tuple[int, int]:
    spatial = tensor.shape[2:]
    return (1, spatial[0]) if len(spatial) == 1 else (spatial[0], spatial[1])


def _pair(values: list[int], missing: int) -> tuple[int, int]:
    return (missing, values[0]) if len(values) == 1 else (values[0], values[1])


def make_window(x: Tensor, out: Tensor, attrs: dict[str, Any]) -> Params:
    """`struct fleet_window` from the attributes of Conv, MaxPool or AveragePool."""
    (in_h, in_w), (out_h, out_w) = _plane(x), _plane(out)
    kernel, stride = _pair(attrs["kernel_shape"], 1), _pair(attrs["strides"], 1)
    dilation, pads = _pair(attrs["dilations"], 1), list(attrs["pads"])
    if len(pads) == 2:
        pads = [0, pads[0], 0, pads[1]]
    return {
        "batch": x.shape[0],
        "in_h": in_h, "in_w": in_w, "in_c": x.shape[1],
        "out_h": out_h, "out_w": out_w, "out_c": out.shape[1],
        "kernel_h": kernel[0], "kernel_w": kernel[1],
        "stride_h": stride[0], "stride_w": stride[1],
        "dilation_h": dilation[0], "dilation_w": dilation[1],
        "pad_top": pads[0], "pad_left": pads[1], "pad_bottom": pads[2], "pad_right": pads[3],
    }  # fmt: skip


def conv(site: Site) -> Step:
    """Conv of one or two dimensions."""
    weights = site.data(1)
    macs = site.out.size * math.prod(weights.shape[1:])
    if weights.ndim == 3:
        weights = weights[:, :, None, :]
    bias = site.data(2) if len(site.node.inputs) > 2 else zeros(weights.shape[0], FLOAT)
    window = make_window(site.tensor(0), site.out, site.node.attrs)
    parts = Convolution(window, weights, bias, site.node.attrs["group"])
    if not site.is_int8:
        return site.step(conv_f32(site, parts), detail=parts.detail, macs=macs)
    call, distance = _conv_s8(site, parts)
    return site.step(call, detail=parts.detail, macs=macs, overlap=distance)


def _conv_s8(site: Site, parts: Convolution) -> tuple[Call, Distance | None]:
    """The call, and how far its output may run over its input."""
    target, window, groups = site.target, parts.window, parts.groups
    simd = target.simd
    scales = multipliers(site.quant(0), site.quant(1), site.out_quant, window["out_c"])
    planar = reads_planes(site.tensor(0), groups)
    kernel = "fleet_depthwise_conv_s8" if parts.depthwise else "fleet_conv_s8"
    winograd = scratch.winograd_conv_s8(window, site.scratch_limit) if _suits_winograd(site, parts) else None
    distance: Distance | None = None
    bias = parts.bias.astype("int32")
    if parts.depthwise:
        weights = packing.depthwise_conv_s8(parts.weights, target)
        bias = packing.depthwise_bias_s8(bias, parts.weights, site.quant(0).zero_point, target)
        scales = packing.channels(scales, 1, simd=simd, multiple=packing.DEPTHWISE_BLOCK)
        space, pixels = scratch.depthwise_conv_s8(window, target), 1
        distance = overlap.depthwise_conv_s8(window)
    else:
        scales = packing.channels(scales, groups, simd=simd)
        if winograd is not None:
            kernel, weights = "fleet_winograd_conv_s8", packing.winograd_conv_s8(parts.weights)
            space, pixels = winograd
        else:
            site.require_narrow(parts.weights)
            flat = scratch.is_flat(window, groups, target.lane)
            weights = packing.conv_s8(parts.weights, groups, target, flat=flat)
            bias = packing.conv_bias_s8(bias, parts.weights, site.quant(0).zero_point, groups, target)
            space, pixels = scratch.conv_s8(window, groups, target, site.scratch_limit)
            if groups == 1:
                distance = overlap.conv_s8(window, pixels, planar=planar, patched=simd or target.host)
    call = Call(
        kernel,
        "fleet_conv_s8_params",
        {
            "window": window,
            "groups": groups,
            "in_planar": int(planar),
            "in_zero_point": site.quant(0).zero_point,
            **site.bounds_s8(),
            "backwards": 0,
            "patch_pixels": pixels,
        },
        (
            site.argument(0),
            site.constant("weights", weights, is_weight=True),
            site.constant("bias", bias),
            site.constant("multipliers", scales),
            Slot(site.out.name),
        ),
        space,
    )
    return call, distance


def _suits_winograd(site: Site, parts: Convolution) -> bool:
    """Whether `fleet_winograd_conv_s8` computes a convolution, and has enough channels to be faster."""
    w, zero_point = parts.window, site.quant(0).zero_point
    ones = ("stride_h", "stride_w", "dilation_h", "dilation_w")
    fits = w["kernel_h"] == w["kernel_w"] == 3 and all(w[key] == 1 for key in ones) and parts.groups == 1
    deep = w["in_c"] >= _WINOGRAD_CHANNELS and w["in_c"] % 8 == 0 and w["out_c"] % 16 == 0
    if not (site.target.simd and fits and deep):
        return False
    sums = np.abs(parts.weights.astype(np.int64)).sum(axis=(1, 2, 3)) * max(
        127 - zero_point, zero_point + 128
    )
    return bool(sums.max() < _WINOGRAD_SUM)


def conv_f32(site: Site, parts: Convolution) -> Call:
    """A float32 convolution; also a product by a constant, as a 1x1 kernel."""
    simd, depthwise = site.target.simd, parts.depthwise
    if depthwise:
        weights, bias = packing.depthwise_conv_f32(parts.weights), parts.bias
    else:
        weights = packing.conv_f32(parts.weights, parts.groups, simd=simd)
        bias = packing.channels(parts.bias, parts.groups, simd=simd)
    return Call(
        "fleet_depthwise_conv_f32" if depthwise else "fleet_conv_f32",
        "fleet_conv_f32_params",
        {"window": parts.window, "groups": parts.groups, **site.bounds_f32()},
        (
            site.argument(0),
            site.constant("weights", weights, is_weight=True),
            site.constant("bias", bias),
            Slot(site.out.name),
        ),
    )


def max_pool(site: Site) -> Step:
    """MaxPool."""
    window = make_window(site.tensor(0), site.out, site.node.attrs)
    kind = "s8" if site.is_int8 else "f32"
    bounds = site.bounds_s8() if site.is_int8 else site.bounds_f32()
    bounds.pop("out_zero_point", None)
    call = Call(
        f"fleet_max_pool_{kind}",
        f"fleet_max_pool_{kind}_params",
        {"window": window, **bounds},
        (site.argument(0), Slot(site.out.name)),
    )
    distance = overlap.pool_s8(window) if site.is_int8 else None
    return site.step(call, detail=f"MaxPool {window['kernel_h']}x{window['kernel_w']}", overlap=distance)


def average_pool(site: Site) -> Step:
    """AveragePool, and GlobalAveragePool as one window over everything."""
    x, attrs = site.tensor(0), site.node.attrs
    if site.node.op == "GlobalAveragePool":
        rank = len(x.shape) - 2
        attrs = {
            "kernel_shape": list(x.shape[2:]),
            "strides": [1] * rank,
            "dilations": [1] * rank,
            "pads": [0] * (2 * rank),
        }
    window = make_window(x, site.out, attrs)
    params: Params = {"window": window, "count_include_pad": attrs.get("count_include_pad", 0)}
    kind = "s8" if site.is_int8 else "f32"
    if site.is_int8:
        params |= {"in_zero_point": site.quant(0).zero_point, **site.bounds_s8()}
        params |= {"in_scale": site.quant(0).s, "out_scale": site.out_quant.s}
    else:
        params |= site.bounds_f32()
    call = Call(
        f"fleet_average_pool_{kind}",
        f"fleet_average_pool_{kind}_params",
        params,
        (site.argument(0), Slot(site.out.name)),
    )
    distance = overlap.pool_s8(window) if site.is_int8 else None
    return site.step(
        call, detail=f"{site.node.op} {window['kernel_h']}x{window['kernel_w']}", overlap=distance
    )


LOWERINGS: dict[str, Lowering] = {
    "AveragePool": average_pool,
    "Conv": conv,
    "GlobalAveragePool": average_pool,
    "MaxPool": max_pool,
}
