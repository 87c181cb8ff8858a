"""Gemm and MatMul."""

import math

from controller.compiler.ir import FLOAT
from controller.compiler.plan import packing, scratch
from controller.compiler.plan.lower.common import Lowering, Site, multipliers, zeros
from controller.compiler.plan.lower.window import conv_f32_call
from controller.compiler.plan.steps import Call, Slot, Step


def product(site: Site) -> Step:
    """x · w + b. By a constant matrix it is a 1×1 convolution over the rows, whose weights are packed."""
    a, b = site.tensor(0), site.tensor(1)
    depth, columns = b.shape[-2], b.shape[-1]
    detail = f"{site.node.op} {depth}->{columns}"
    macs = site.out.size * depth
    if b.is_constant and len(b.shape) == 2 and not a.is_constant:
        rows = math.prod(a.shape[:-1])
        make = _constant_s8 if site.is_int8 else _constant_f32
        return site.step(make(site, rows, depth, columns), detail=detail, macs=macs)
    return site.step(_matmul_f32(site), detail=detail, macs=macs)


def _constant_s8(site: Site, rows: int, depth: int, columns: int) -> Call:
    simd = site.target.simd
    weights = site.data(1).T.reshape(columns, depth, 1, 1)
    bias = site.data(2) if len(site.node.inputs) > 2 else zeros(columns, FLOAT)
    scales = multipliers(site.quant(0), site.quant(1), site.out_quant, columns)
    sizes = {"rows": rows, "depth": depth, "columns": columns}
    return Call(
        "fleet_matmul_s8",
        "fleet_matmul_s8_params",
        {**sizes, "in_zero_point": site.quant(0).zero_point, **site.bounds_s8()},
        (
            site.argument(0),
            site.constant("weights", packing.conv_s8(weights, 1, simd=simd), is_weight=True),
            site.constant("bias", packing.channels(bias.astype("int32"), 1, simd=simd)),
            site.constant("multipliers", packing.channels(scales, 1, simd=simd)),
            Slot(site.out.name),
        ),
        scratch.matmul_s8(rows, depth, simd=simd),
    )


def _constant_f32(site: Site, rows: int, depth: int, columns: int) -> Call:
    weights = site.data(1).T.reshape(columns, depth, 1, 1)
    bias = site.data(2) if len(site.node.inputs) > 2 else zeros(columns, FLOAT)
    geometry = {
        "batch": 1,
        "in_h": 1, "in_w": rows, "in_c": depth,
        "out_h": 1, "out_w": rows, "out_c": columns,
        "kernel_h": 1, "kernel_w": 1,
        "stride_h": 1, "stride_w": 1,
        "dilation_h": 1, "dilation_w": 1,
        "pad_top": 0, "pad_left": 0, "pad_bottom": 0, "pad_right": 0,
    }  # fmt: skip
    return conv_f32_call(site, geometry, weights, bias, 1, depthwise=False)


def _matmul_f32(site: Site) -> Call:
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
            "a_batch_stride": rows * depth if math.prod(a.shape[:-2]) == batch and batch > 1 else 0,
            "b_batch_stride": depth * columns if math.prod(b.shape[:-2]) == batch and batch > 1 else 0,
            "bias_stride": int(has_bias),
            **site.bounds_f32(),
        },
        (site.argument(0), site.argument(1), site.constant("bias", bias), Slot(out.name)),
    )


LOWERINGS: dict[str, Lowering] = {"Gemm": product, "MatMul": product}
