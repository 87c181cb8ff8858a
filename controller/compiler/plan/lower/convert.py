"""QuantizeLinear and DequantizeLinear."""

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.steps import Call, Slot, Step


def quantize(site: Site) -> Step:
    """float32 to int8."""
    quant = site.out_quant
    params = {"count": site.out.size, "zero_point": quant.zero_point, "scale": quant.s}
    arguments = (site.argument(0), Slot(site.out.name))
    return site.step(Call("fleet_quantize_f32_s8", "fleet_quantize_params", params, arguments))


def dequantize(site: Site) -> Step:
    """int8 to float32."""
    quant = site.quant(0)
    params = {"count": site.out.size, "zero_point": quant.zero_point, "scale": quant.s}
    arguments = (site.argument(0), Slot(site.out.name))
    return site.step(Call("fleet_dequantize_s8_f32", "fleet_quantize_params", params, arguments))


LOWERINGS: dict[str, Lowering] = {"DequantizeLinear": dequantize, "QuantizeLinear": quantize}
