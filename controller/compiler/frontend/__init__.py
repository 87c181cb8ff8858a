"""ONNX to graph: read the file, fix shapes, fold what is constant, normalize every operator."""

from controller.compiler.frontend.importer import import_model
from controller.compiler.frontend.reader import Source, read

__all__ = ["Source", "import_model", "read"]
