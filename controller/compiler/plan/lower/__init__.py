"""One lowering for each operator of the graph: node to kernel calls."""

from controller.compiler.plan.lower import convert, elementwise, general, movement, product, unary, window
from controller.compiler.plan.lower.common import Lowering

LOWERINGS: dict[str, Lowering] = {
    **convert.LOWERINGS,
    **elementwise.LOWERINGS,
    **general.LOWERINGS,
    **movement.LOWERINGS,
    **product.LOWERINGS,
    **unary.LOWERINGS,
    **window.LOWERINGS,
}
