"""One importer for each ONNX operator that compiles, by family."""

from controller.compiler.frontend.context import Importer
from controller.compiler.frontend.operators import (
    activation,
    algebra,
    cast,
    composed,
    elementwise,
    features,
    image,
    indexing,
    linear,
    movement,
    quantized,
    recurrent,
    reduction,
    scalar,
    slicing,
    window,
)

IMPORTERS: dict[str, Importer] = {
    **activation.IMPORTERS,
    **algebra.IMPORTERS,
    **elementwise.IMPORTERS,
    **cast.IMPORTERS,
    **features.IMPORTERS,
    **image.IMPORTERS,
    **indexing.IMPORTERS,
    **slicing.IMPORTERS,
    **linear.IMPORTERS,
    **movement.IMPORTERS,
    **quantized.IMPORTERS,
    **recurrent.IMPORTERS,
    **window.IMPORTERS,
    **composed.IMPORTERS,
    **reduction.IMPORTERS,
    **scalar.IMPORTERS,
}
