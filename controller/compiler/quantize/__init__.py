"""Float graph to int8 graph: observe ranges on calibration data, choose scales, rewrite."""

from controller.compiler.quantize.adopt import keep_scales, take_scales
from controller.compiler.quantize.observe import Calibration, calibrate
from controller.compiler.quantize.ranges import METHODS
from controller.compiler.quantize.rewrite import Quantization, quantize

__all__ = ["METHODS", "Calibration", "Quantization", "calibrate", "keep_scales", "quantize", "take_scales"]
