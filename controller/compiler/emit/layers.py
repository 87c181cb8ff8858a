"""The layer table of the metadata: what each layer is, what it reads, where its memory lies."""

from controller.compiler.emit.calls import state_offset
from controller.compiler.emit.constants import ConstantBlock
from controller.compiler.ir import Graph, Tensor
from controller.compiler.plan.steps import Plan, Step
from protocol.module import MAX_READS, LayerMeta, Region, WeightMeta


def layer_table(
    graph: Graph, plan: Plan, block: ConstantBlock, arena: int, constants: int
) -> tuple[LayerMeta, ...]:
    """One entry for each step.

    Args:
        graph: The graph of the plan.
        plan: What runs.
        block: All constants.
        arena: Address of the arena; the state block lies behind it.
        constants: Address of the constants.
    """
    sources = _sources(graph, plan)
    # The copy that ends a run reads the new state, and is no node.
    inputs = {name: [successor] for name, successor in graph.state.items()}
    inputs |= {node.outputs[0]: node.inputs for node in graph.nodes}
    return tuple(
        LayerMeta(
            name=step.name,
            op=step.op,
            detail=step.detail,
            dtype=step.dtype,
            shape=step.shape,
            macs=step.macs,
            weight_bytes=step.weight_bytes,
            offset=arena + _place(plan, step.output),
            reads=tuple(sources[name] for name in inputs[step.output] if name in sources)[:MAX_READS],
            scratch=_scratch(plan, index, arena),
            weights=_weights(step, block, constants),
            order=_order(graph.tensors[step.output]),
        )
        for index, step in enumerate(plan.steps)
    )


def _order(tensor: Tensor) -> tuple[int, ...] | None:
    plain = tuple(range(len(tensor.shape)))
    return None if tensor.order in (None, plain) else tensor.order


def _place(plan: Plan, tensor: str) -> int:
    state = plan.state.get(tensor)
    return plan.offsets[tensor] if state is None else state_offset(plan) + state


def _sources(graph: Graph, plan: Plan) -> dict[str, int]:
    """For each tensor the layer that made its bytes, or -1 - i for input i; state comes from nowhere."""
    sources = {name: -1 - index for index, name in enumerate(graph.inputs)}
    made = {name: index for index, step in enumerate(plan.steps) for name in step.outputs}
    for node in graph.nodes:
        for name in node.outputs:
            if name in made:
                sources[name] = made[name]
            # A node without a step gives its input another name.
            elif node.inputs and node.inputs[0] in sources:
                sources[name] = sources[node.inputs[0]]
    return sources


def _scratch(plan: Plan, index: int, arena: int) -> Region | None:
    sizes = [call.scratch.nbytes for call in plan.steps[index].calls if call.scratch is not None]
    if index not in plan.scratch or not any(sizes):
        return None
    return Region(offset=arena + plan.scratch[index], size=max(sizes))


def _weights(step: Step, block: ConstantBlock, constants: int) -> WeightMeta | None:
    """The largest weight tensor of a step."""
    weights = [constant for constant in step.constants if constant.is_weight]
    if not weights:
        return None
    largest = max(weights, key=lambda constant: constant.data.nbytes)
    dtype = largest.data.dtype.name
    return WeightMeta(
        offset=constants + block.offset(largest),
        size=largest.data.nbytes,
        dtype=None if dtype == step.dtype else dtype,
    )
