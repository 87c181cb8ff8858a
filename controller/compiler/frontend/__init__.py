"""ONNX to graph: read the file, fix shapes, fold what is constant, normalize every operator."""

from controller.compiler.frontend.importer import import_model
from controller.compiler.frontend.reader import Model, Source, read
from controller.compiler.frontend.state import carry

__all__ = ["Model", "Source", "carry", "import_model", "read"]
