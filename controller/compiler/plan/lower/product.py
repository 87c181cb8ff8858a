"""Gemm and MatMul."""

import math

from controller.compiler.ir import FLOAT
from controller.compiler.plan import packing, scratch
from controller.compiler.plan.lower.common import Lowering, Site, multipliers, zeros
from controller.compiler.plan.lower.window import Convolution, conv_f32
from controller.compiler.plan.steps import Call, Slot, Step


def product(site: Site) -> Step:
    """The product x · w + b. By a constant matrix it is a 1x1 convolution over rows, with packed weights."""
    a, b = site.tensor(0), site.tensor(1)
    depth, columns = b.shape[-2], b.shape[-1]
    if not b.is_constant or len(b.shape) != 2 or a.is_constant:
        call = _two_activations(site)
    else:
        bias = site.data(2) if len(site.node.inputs) > 2 else zeros(columns, FLOAT)
        weights = site.data(1).T.reshape(columns, depth, 1, 1)
        parts = Convolution(_rows(math.prod(a.shape[:-1]), depth, columns), weights, bias)
        call = _constant_s8(site, parts) if site.is_int8 else conv_f32(site, parts)
    return site.step(call, detail=f"{site.node.op} {depth}->{columns}", macs=site.out.size * depth)


def _rows(rows: int, depth: int, columns: int) -> dict[str, int]:
    """`struct fleet_window` of a matrix whose rows are the pixels of one line."""
    ones = (
        "batch",
        "in_h",
        "out_h",
        "kernel_h",
        "kernel_w",
        "stride_h",
        "stride_w",
        "dilation_h",
        "dilation_w",
    )
    sizes = {"in_w": rows, "in_c": depth, "out_w": rows, "out_c": columns}
    return {**dict.fromkeys(ones, 1), **sizes}


def _constant_s8(site: Site, parts: Convolution) -> Call:
    simd = site.target.simd
    rows, depth, columns = (parts.window[key] for key in ("in_w", "in_c", "out_c"))
    scales = multipliers(site.quant(0), site.quant(1), site.out_quant, columns)
    bias = packing.conv_bias_s8(
        parts.bias.astype("int32"), parts.weights, site.quant(0).zero_point, 1, site.target
    )
    site.require_narrow(parts.weights)
    flat = scratch.is_flat(parts.window, 1, site.target.lane)
    weights = packing.conv_s8(parts.weights, 1, site.target, flat=flat)
    space, patch_rows = scratch.matmul_s8(parts.window, site.target, site.scratch_limit)
    return Call(
        "fleet_matmul_s8",
        "fleet_matmul_s8_params",
        {
            "rows": rows,
            "depth": depth,
            "columns": columns,
            "in_zero_point": site.quant(0).zero_point,
            **site.bounds_s8(),
            "patch_rows": patch_rows,
        },
        (
            site.argument(0),
            site.constant("weights", weights, is_weight=True),
            site.constant("bias", bias),
            site.constant("multipliers", packing.channels(scales, 1, simd=simd)),
            Slot(site.out.name),
        ),
        space,
    )


def _two_activations(site: Site) -> Call:
    a, b, out = site.tensor(0), site.tensor(1), site.out
    rows, depth, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    batch = math.prod(out.shape[:-2])
    has_bias = len(site.node.inputs) > 2
    bias = site.data(2) if has_bias else zeros(1, FLOAT)
    return Call(
        "fleet_matmul_f32",
        "fleet_matmul_f32_params",
        {
            "batch": batch,
            "rows": rows,
            "depth": depth,
            "columns": columns,
            # The importer admits equal batches, or one matrix for all.
            "a_batch_stride": rows * depth if math.prod(a.shape[:-2]) > 1 else 0,
            "b_batch_stride": depth * columns if math.prod(b.shape[:-2]) > 1 else 0,
            "bias_stride": int(has_bias),
            **site.bounds_f32(),
        },
        (site.argument(0), site.argument(1), site.constant("bias", bias), Slot(out.name)),
    )


LOWERINGS: dict[str, Lowering] = {"Gemm": product, "MatMul": product}
