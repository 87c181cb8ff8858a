"""Conv and the pools. Maps are channels-last; one-dimensional ones have a height of 1."""

import math

from controller.compiler.ir import FLOAT, INT8, Tensor
from controller.compiler.plan import packing, scratch
from controller.compiler.plan.lower.common import Lowering, Site, multipliers, zeros
from controller.compiler.plan.steps import Call, Params, Slot, Step


def _plane(tensor: Tensor) -> tuple[int, int]:
    spatial = tensor.shape[2:]
    return (1, spatial[0]) if len(spatial) == 1 else (spatial[0], spatial[1])


def _pair(values: list[int], missing: int) -> tuple[int, int]:
    return (missing, values[0]) if len(values) == 1 else (values[0], values[1])


def window(site: Site) -> Params:
    """`struct fleet_window` of Conv, MaxPool or AveragePool."""
    x, out, attrs = site.tensor(0), site.out, site.node.attrs
    pads = attrs["pads"] if len(attrs["pads"]) == 4 else [0, attrs["pads"][0], 0, attrs["pads"][1]]
    return _window(
        x, out, _pair(attrs["kernel_shape"], 1), _pair(attrs["strides"], 1), _pair(attrs["dilations"], 1), pads
    )


def _window(
    x: Tensor, out: Tensor, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], pads: list[int]
) -> Params:
    in_h, in_w = _plane(x)
    out_h, out_w = _plane(out)
    return {
        "batch": x.shape[0],
        "in_h": in_h, "in_w": in_w, "in_c": x.shape[1],
        "out_h": out_h, "out_w": out_w, "out_c": out.shape[1],
        "kernel_h": kernel[0], "kernel_w": kernel[1],
        "stride_h": stride[0], "stride_w": stride[1],
        "dilation_h": dilation[0], "dilation_w": dilation[1],
        "pad_top": pads[0], "pad_left": pads[1], "pad_bottom": pads[2], "pad_right": pads[3],
    }  # fmt: skip


def _size(geometry: Params) -> str:
    return f"{geometry['kernel_h']}x{geometry['kernel_w']}"


def conv(site: Site) -> Step:
    """Depthwise where each channel has one filter of its own."""
    weights = site.data(1)
    if weights.ndim == 3:
        weights = weights[:, :, None, :]
    geometry, groups = window(site), site.node.attrs["group"]
    depthwise = groups > 1 and groups == geometry["in_c"] == geometry["out_c"]
    macs = site.out.size * math.prod(weights.shape[1:])
    kind = f"Conv {_size(geometry)} depthwise {groups}" if depthwise else f"Conv {_size(geometry)} {geometry['in_c']}->{geometry['out_c']}"
    if not depthwise and groups > 1:
        kind += f" in {groups} groups"
    make = _conv_s8 if site.is_int8 else _conv_f32
    return site.step(make(site, geometry, weights, groups, depthwise), detail=kind, macs=macs)  # type: ignore[arg-type]


def _conv_s8(site: Site, geometry: Params, weights: "packing.Array", groups: int, depthwise: bool) -> Call:  # noqa: FBT001 - a fact about the node
    simd, channels = site.target.simd, geometry["out_c"]
    bias = site.data(2) if len(site.node.inputs) > 2 else zeros(channels, INT8)
    scales = multipliers(site.quant(0), site.quant(1), site.out_quant, channels)
    bias_groups = 1 if depthwise else groups
    if depthwise:
        packed = packing.depthwise_conv_s8(weights, simd=simd)
        extent = (geometry["kernel_w"] - 1) * geometry["dilation_w"] + 1
        space = scratch.depthwise_conv_s8(
            geometry["out_w"], channels, geometry["kernel_h"], geometry["stride_w"], extent, simd=simd
        )
    else:
        packed = packing.conv_s8(weights, groups, simd=simd)
        space = scratch.conv_s8(
            _line(geometry),
            (geometry["kernel_h"], geometry["kernel_w"]),
            geometry["stride_w"],
            geometry["dilation_w"],
            geometry["in_c"] // groups,
            simd=simd,
        )
    return Call(
        "fleet_depthwise_conv_s8" if depthwise else "fleet_conv_s8",
        "fleet_conv_s8_params",
        {"window": geometry, "groups": groups, "in_zero_point": site.quant(0).zero_point, **site.bounds_s8()},
        (
            site.argument(0),
            site.constant("weights", packed, is_weight=True),
            site.constant("bias", packing.channels(bias.astype("int32"), bias_groups, simd=simd)),
            site.constant("multipliers", packing.channels(scales, bias_groups, simd=simd)),
            Slot(site.out.name),
        ),
        space,
    )


def _line(geometry: Params) -> int:
    """Outputs that one patch may hold: a row, or all of them where neighbours in memory are neighbours in the map."""
    pointwise = all(geometry[key] == 1 for key in ("kernel_h", "kernel_w", "stride_h", "stride_w"))
    unpadded = not any(geometry[key] for key in ("pad_top", "pad_left", "pad_bottom", "pad_right"))
    if pointwise and unpadded:
        return int(geometry["batch"] * geometry["out_h"] * geometry["out_w"])
    return int(geometry["out_w"])


def _conv_f32(site: Site, geometry: Params, weights: "packing.Array", groups: int, depthwise: bool) -> Call:  # noqa: FBT001 - a fact about the node
    bias = site.data(2) if len(site.node.inputs) > 2 else zeros(geometry["out_c"], FLOAT)
    return conv_f32_call(site, geometry, weights, bias, groups, depthwise=depthwise)


def conv_f32_call(
    site: Site, geometry: Params, weights: "packing.Array", bias: "packing.Array", groups: int, *, depthwise: bool
) -> Call:
    """A float32 convolution; also a product by a constant, as a 1×1 kernel."""
    simd = site.target.simd
    packed = packing.depthwise_conv_f32(weights) if depthwise else packing.conv_f32(weights, groups, simd=simd)
    biases = bias if depthwise else packing.channels(bias, groups, simd=simd)
    return Call(
        "fleet_depthwise_conv_f32" if depthwise else "fleet_conv_f32",
        "fleet_conv_f32_params",
        {"window": geometry, "groups": groups, **site.bounds_f32()},
        (
            site.argument(0),
            site.constant("weights", packed, is_weight=True),
            site.constant("bias", biases),
            Slot(site.out.name),
        ),
    )


def max_pool(site: Site) -> Step:
    """MaxPool."""
    geometry = window(site)
    kind = "s8" if site.is_int8 else "f32"
    bounds = site.bounds_s8() if site.is_int8 else site.bounds_f32()
    bounds.pop("out_zero_point", None)
    call = Call(
        f"fleet_max_pool_{kind}",
        f"fleet_max_pool_{kind}_params",
        {"window": geometry, **bounds},
        (site.argument(0), Slot(site.out.name)),
    )
    return site.step(call, detail=f"MaxPool {_size(geometry)}")


def average_pool(site: Site) -> Step:
    """AveragePool, and GlobalAveragePool as one window over everything."""
    attrs = site.node.attrs
    if site.node.op == "GlobalAveragePool":
        x = site.tensor(0)
        geometry = _window(x, site.out, _plane(x), (1, 1), (1, 1), [0, 0, 0, 0])
    else:
        geometry = window(site)
    params: Params = {"window": geometry, "count_include_pad": attrs.get("count_include_pad", 0)}
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
    return site.step(call, detail=f"{site.node.op} {_size(geometry)}")


LOWERINGS: dict[str, Lowering] = {
    "AveragePool": average_pool,
    "Conv": conv,
    "GlobalAveragePool": average_pool,
    "MaxPool": max_pool,
}
