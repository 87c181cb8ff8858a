"""Float graph to int8 graph: observe ranges on calibration data, choose scales, rewrite."""

from controller.compiler.quantize.observe import observe
from controller.compiler.quantize.rewrite import Quantization, quantize

__all__ = ["Quantization", "observe", "quantize"]
