"""Lowers a graph with layout into steps, and gives every tensor its place."""

from controller.compiler.errors import UnsupportedError
from controller.compiler.ir import Graph, Node
from controller.compiler.ir.operators import VIEWS
from controller.compiler.passes.layout import same_memory
from controller.compiler.plan.arena import ALIGNMENT, Buffer, place
from controller.compiler.plan.lower import LOWERINGS
from controller.compiler.plan.lower.common import Site
from controller.compiler.plan.steps import Plan, Step
from controller.compiler.targets import Target

MAX_ARENA = 1 << 30


def plan(graph: Graph, target: Target) -> Plan:
    """Steps and places.

    Args:
        graph: After `passes.assign_layout`.
        target: Decides kernels, packing and scratch.

    Raises:
        UnsupportedError: The activations need more than `MAX_ARENA` bytes.
    """
    owners = _owners(graph)
    steps = tuple(
        LOWERINGS[node.op](Site(graph, node, target))
        for node in graph.nodes
        if owners[node.output] == node.output
    )
    _share_in_place(graph, steps, owners)
    tenants, scratch = _buffers(graph, steps, owners)
    placement = place([*tenants.values(), *scratch.values()], len(steps))
    if placement.size > MAX_ARENA:
        largest = max(steps, key=lambda step: graph.tensors[step.output].nbytes)
        raise UnsupportedError(
            largest.name,
            largest.op,
            f"activations need {placement.size / 2**20:,.0f} MiB; {MAX_ARENA >> 20} MiB is the limit",
            remedy="compile with a smaller --shape",
        )
    places = dict(zip(tenants, placement.offsets, strict=False))
    offsets = {name: places[owner] for name, owner in owners.items()}
    spaces = dict(zip(scratch, placement.offsets[len(tenants) :], strict=True))
    return Plan(steps, offsets, placement.size, placement.bound, spaces)


def _owners(graph: Graph) -> dict[str, str]:
    """For each tensor the one whose memory it is; a view and a transposition by name own none."""
    owners = {name: name for name in graph.inputs}
    for node in graph.nodes:
        source = owners.get(node.inputs[0])
        # An output stays valid while the next input is written.
        crosses = source in graph.inputs and _reaches_output(graph, node.output)
        if source is not None and _renames(graph, node) and not crosses:
            owners[node.output] = source
        else:
            owners[node.output] = node.output
    return owners


def _renames(graph: Graph, node: Node) -> bool:
    """Whether input and output of a node are the same bytes."""
    x, out = graph.tensors[node.inputs[0]], graph.tensors[node.output]
    if node.op == "Transpose":
        return True
    if node.op not in VIEWS:
        return False
    return x.shape != out.shape or same_memory(x.shape, x.memory, out.memory)


def _reaches_output(graph: Graph, name: str) -> bool:
    """Whether a tensor, or a view of it, is an output of the graph."""
    if name in graph.outputs:
        return True
    return any(
        _renames(graph, node) and _reaches_output(graph, node.output)
        for node in graph.consumers(name)
        if node.inputs[0] == name
    )


def _last_use(graph: Graph, steps: tuple[Step, ...], owners: dict[str, str]) -> dict[str, int]:
    """The last step that needs the memory of each owner; the number of steps for outputs."""
    index = {step.name: number for number, step in enumerate(steps)}
    last = dict.fromkeys(graph.inputs, -1) | {step.output: number for number, step in enumerate(steps)}
    for node in graph.nodes:
        if node.name not in index:
            continue
        for name in node.inputs:
            if name in owners:
                last[owners[name]] = max(last[owners[name]], index[node.name])
    for name in graph.outputs:
        last[owners[name]] = len(steps)
    return last


def _share_in_place(graph: Graph, steps: tuple[Step, ...], owners: dict[str, str]) -> None:
    """Let the output of a step take over the memory of an input that nobody needs afterwards."""
    last = _last_use(graph, steps, owners)
    inputs = {node.name: set(node.inputs) for node in graph.nodes}
    outputs = {owners[name] for name in graph.outputs}
    for number, step in enumerate(steps):
        for name in step.in_place:
            owner = owners.get(name)
            if owner is None or last[owner] != number or (owner in graph.inputs and step.output in outputs):
                continue
            if graph.tensors[owner].nbytes < graph.tensors[step.output].nbytes:
                continue
            # Another name of the same memory may be walked in another order.
            if sum(owners.get(other) == owner for other in inputs[step.name]) > 1:
                continue
            last[owner] = last[step.output]
            if step.output in outputs:
                outputs.add(owner)
            for tensor, current in owners.items():
                if current == step.output:
                    owners[tensor] = owner
            break


def _buffers(
    graph: Graph, steps: tuple[Step, ...], owners: dict[str, str]
) -> tuple[dict[str, Buffer], dict[int, Buffer]]:
    """Memory of the owners, and scratch by step."""
    last = _last_use(graph, steps, owners)
    first = dict.fromkeys(graph.inputs, -1)
    for number, step in enumerate(steps):
        owner = owners[step.output]
        first.setdefault(owner, number)
        last[owner] = max(last.get(owner, number), number)
    tenants = {
        owner: Buffer(_aligned(graph.tensors[owner].nbytes), begin, last[owner])
        for owner, begin in first.items()
    }
    scratch = {}
    for number, step in enumerate(steps):
        need = max((call.scratch.nbytes for call in step.calls if call.scratch), default=0)
        if need:
            scratch[number] = Buffer(_aligned(need), number, number)
    return tenants, scratch


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
