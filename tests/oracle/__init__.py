"""The judge of numbers: an interpreter of graph documents, written from ``docs/spec/numbers.md`` alone.

    graph = load(document)
    values = run(graph, {"image": image})      # every tensor by name

It knows nothing of the compiler and shares no code with the kernels; it imports NumPy, cbor2 and the
standard library. Simple before fast: sums run in the order of the page, vectorized across outputs only.
"""

from .arithmetic import canonical, same_class
from .decode import load
from .document import Graph, Node, Tensor
from .errors import DocumentError
from .interpreter import next_state, run

__all__ = ["DocumentError", "Graph", "Node", "Tensor", "canonical", "load", "next_state", "run", "same_class"]
