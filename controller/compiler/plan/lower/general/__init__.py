"""Operators that are compiled from the templates of `modules/kernels/general`, by family."""

from controller.compiler.plan.lower.common import Lowering
from controller.compiler.plan.lower.general import (
    algebra,
    elementwise,
    features,
    image,
    indexing,
    movement,
    quantized,
    recurrent,
    reduction,
    scalar,
    window,
)

LOWERINGS: dict[str, Lowering] = {
    **algebra.LOWERINGS,
    **elementwise.LOWERINGS,
    **features.LOWERINGS,
    **image.LOWERINGS,
    **indexing.LOWERINGS,
    **movement.LOWERINGS,
    **quantized.LOWERINGS,
    **recurrent.LOWERINGS,
    **reduction.LOWERINGS,
    **scalar.LOWERINGS,
    **window.LOWERINGS,
}
