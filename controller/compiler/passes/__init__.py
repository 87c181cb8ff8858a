"""Rewrites of the graph, one file each, in the order in which they run.

`FLOAT_PASSES` work on the graph as it was imported, and end in the operators of `docs/spec/graph.md`;
`QUANTIZED_PASSES` clean up after quantization. The verifier runs after each. An order that matters is
stated in the file of the later pass.
"""

from collections.abc import Callable, Sequence

from controller.compiler.errors import IllegalGraphError
from controller.compiler.ir import Graph, verify
from controller.compiler.passes.batch_norm import split_batch_norm
from controller.compiler.passes.clamp import fuse_clamp
from controller.compiler.passes.dead_code import remove_dead_code
from controller.compiler.passes.flatten import flatten_channels_last
from controller.compiler.passes.fold_affine import fold_affine
from controller.compiler.passes.hard_swish import fuse_hard_swish
from controller.compiler.passes.layout import assign_layout
from controller.compiler.passes.pad import fuse_pad, split_pad
from controller.compiler.passes.redundant import remove_redundant
from controller.compiler.passes.tables import merge_tables
from protocol.errors import FleetError

Pass = Callable[[Graph], None]

FLOAT_PASSES: tuple[Pass, ...] = (
    remove_dead_code,
    remove_redundant,
    fuse_hard_swish,
    fold_affine,
    fuse_pad,
    split_batch_norm,
    split_pad,
    fuse_clamp,
    remove_redundant,
    flatten_channels_last,
    remove_dead_code,
)
QUANTIZED_PASSES: tuple[Pass, ...] = (merge_tables, remove_dead_code)


def apply(graph: Graph, passes: Sequence[Pass]) -> None:
    """Run passes in order, verifying after each."""
    for step in passes:
        try:
            step(graph)
        except FleetError:
            raise
        except Exception as error:
            raise IllegalGraphError(
                f"pass {step.__name__} failed: {type(error).__name__}: {error}",
                where=graph.name,
                remedy="if the model is sound, this is a bug: please report it with the ONNX file",
            ) from error
        verify(graph, step.__name__)


__all__ = ["FLOAT_PASSES", "QUANTIZED_PASSES", "apply", "assign_layout"]
