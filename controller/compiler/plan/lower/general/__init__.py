"""Operators that are compiled from the templates of `modules/kernels/general`, by family."""

from controller.compiler.plan.lower.common import Lowering
from controller.compiler.plan.lower.general import elementwise, indexing, movement, reduction, scalar

LOWERINGS: dict[str, Lowering] = {
    **elementwise.LOWERINGS,
    **indexing.LOWERINGS,
    **movement.LOWERINGS,
    **reduction.LOWERINGS,
    **scalar.LOWERINGS,
}
