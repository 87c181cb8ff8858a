"""One importer for each ONNX operator that compiles, by family."""

from controller.compiler.frontend.context import Importer
from controller.compiler.frontend.operators import (
    activation,
    elementwise,
    general,
    linear,
    movement,
    normalization,
    reduction,
    scalar,
    window,
)

IMPORTERS: dict[str, Importer] = {
    **activation.IMPORTERS,
    **elementwise.IMPORTERS,
    **general.IMPORTERS,
    **linear.IMPORTERS,
    **movement.IMPORTERS,
    **normalization.IMPORTERS,
    **window.IMPORTERS,
    **reduction.IMPORTERS,
    **scalar.IMPORTERS,
}
