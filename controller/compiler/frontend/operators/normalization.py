"""BatchNormalization at inference."""

import numpy as np

from controller.compiler.frontend.context import Context
from controller.compiler.ir import FLOAT


def batch_normalization(ctx: Context) -> None:
    """A scale and a shift for each channel, computed here in float64."""
    ctx.only_output()
    if not ctx.attrs.get("spatial", 1):
        ctx.refuse("per-activation statistics have no kernel", "export with model.eval()")
    scale, bias, mean, variance = (
        ctx.constant(i, what).astype(np.float64)
        for i, what in enumerate(("its scale", "its bias", "its mean", "its variance"), start=1)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = scale / np.sqrt(variance + ctx.attrs.get("epsilon", 1e-5))
        shift = bias - mean * factor
    inputs = [
        ctx.node.input[0],
        ctx.add_constant("scale", factor.astype(FLOAT)),
        ctx.add_constant("shift", shift.astype(FLOAT)),
    ]
    ctx.emit("BatchNormalization", inputs)
