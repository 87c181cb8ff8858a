"""Every operator of the graph: its inputs and outputs, attributes, types, and memory order."""

from controller.compiler.ir.operators.core import CORE, UNLOWERED, VIEWS, window_size
from controller.compiler.ir.operators.general import GENERAL
from controller.compiler.ir.operators.table import Operator

OPERATORS: dict[str, Operator] = {**CORE, **GENERAL}

__all__ = ["OPERATORS", "UNLOWERED", "VIEWS", "Operator", "window_size"]
