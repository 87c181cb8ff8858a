"""One importer for each ONNX operator that compiles, by family."""

from controller.compiler.frontend.context import Importer
from controller.compiler.frontend.operators import (
    activation,
    cast,
    elementwise,
    indexing,
    linear,
    movement,
    normalization,
    reduction,
    scalar,
    slicing,
    window,
)

IMPORTERS: dict[str, Importer] = {
    **activation.IMPORTERS,
    **elementwise.IMPORTERS,
    **cast.IMPORTERS,
    **indexing.IMPORTERS,
    **slicing.IMPORTERS,
    **linear.IMPORTERS,
    **movement.IMPORTERS,
    **normalization.IMPORTERS,
    **window.IMPORTERS,
    **reduction.IMPORTERS,
    **scalar.IMPORTERS,
}
