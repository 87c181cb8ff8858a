"""The intermediate representation: what a graph is, what makes it legal, and its document."""

from controller.compiler.ir.graph import FLOAT, INT8, Array, Clamp, Graph, Node, Quant, Shape, Tensor
from controller.compiler.ir.verify import verify

__all__ = ["FLOAT", "INT8", "Array", "Clamp", "Graph", "Node", "Quant", "Shape", "Tensor", "verify"]
