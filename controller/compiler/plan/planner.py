"""Lowers a graph with layout into steps, and gives every tensor its place."""

from dataclasses import replace

from controller.compiler.errors import IllegalGraphError, UnsupportedError
from controller.compiler.ir import Graph, Node
from controller.compiler.ir.operators import VIEWS
from controller.compiler.passes.layout import same_memory
from controller.compiler.plan.arena import ALIGNMENT, Buffer, aligned, place, step_bounds
from controller.compiler.plan.lower import LOWERINGS
from controller.compiler.plan.lower.common import Site
from controller.compiler.plan.steps import STATE, Call, Distance, Plan, Slot, Step
from controller.compiler.targets import Target
from protocol.errors import FleetError

MAX_ARENA = 1 << 30

_SLACK = 64
"""Kernels may enlarge the arena by one part in so many for the sake of speed."""


def plan(graph: Graph, target: Target) -> Plan:
    """Steps and places.

    Args:
        graph: After `passes.assign_layout`.
        target: Decides kernels, packing and scratch.

    Raises:
        UnsupportedError: The activations need more than `MAX_ARENA` bytes.
    """
    owners = _owners(graph)
    lowered = [
        _lower(Site(graph, node, target))
        for node in graph.nodes
        if all(owners[name] == name for name in node.outputs)
    ]
    steps = (*lowered, *_next_state(graph))
    _share_in_place(graph, steps, owners)
    # A smaller patch may have to keep further away from its input, so it is checked once more.
    for _ in range(2):
        steps = _within_limit(graph, target, steps, owners)
    tenants, scratch = _buffers(graph, steps, owners)
    overlaps = _overlaps(steps, owners, tenants)
    placement = place([*tenants.values(), *scratch.values()], len(steps), overlaps)
    if placement.size > MAX_ARENA:
        largest = max(steps, key=lambda step: graph.tensors[step.output].nbytes)
        raise UnsupportedError(
            largest.name,
            largest.op,
            f"activations need {placement.size / 2**20:,.0f} MiB; {MAX_ARENA >> 20} MiB is the limit",
            remedy="compile with a smaller --shape",
        )
    places = dict(zip(tenants, placement.offsets, strict=False))
    state, state_size = _state(graph)
    offsets = {name: places[owner] for name, owner in owners.items() if owner not in graph.state}
    state |= {name: state[owner] for name, owner in owners.items() if owner in graph.state}
    spaces = dict(zip(scratch, placement.offsets[len(tenants) :], strict=True))
    steps = tuple(_directed(step, graph, offsets) for step in steps)
    return Plan(steps, offsets, placement.size, placement.bound, spaces, state, state_size)


def _lower(site: Site) -> Step:
    """One step; a node that its lowering cannot take has passed the verifier, and should not have."""
    try:
        return LOWERINGS[site.node.op](site)
    except FleetError:
        raise
    except Exception as error:
        raise IllegalGraphError(
            f"node {site.node.name} ({site.node.op}) cannot be lowered: {type(error).__name__}: {error}",
            where=site.graph.name,
            remedy="if the model is sound, this is a bug: please report it with the ONNX file",
        ) from error


def _within_limit(
    graph: Graph, target: Target, steps: tuple[Step, ...], owners: dict[str, str]
) -> tuple[Step, ...]:
    """Steps that take the scratch that is fastest, but for those that would make the arena larger by it."""
    tenants, scratch = _buffers(graph, steps, owners)
    live = step_bounds([*tenants.values()], len(steps), _overlaps(steps, owners, tenants))
    least = [max((call.scratch.least for call in step.calls if call.scratch), default=0) for step in steps]
    limit = max((live[i] + aligned(need) for i, need in enumerate(least)), default=0)
    limit = max(limit + limit // _SLACK, max(live, default=0)) // ALIGNMENT * ALIGNMENT
    nodes = {node.name: node for node in graph.nodes}
    return tuple(
        _lower(Site(graph, nodes[step.name], target, limit - live[number]))
        if number in scratch and live[number] + scratch[number].size > limit
        else step
        for number, step in enumerate(steps)
    )


def _overlaps(
    steps: tuple[Step, ...], owners: dict[str, str], tenants: dict[str, Buffer]
) -> dict[tuple[int, int], Distance]:
    """Which outputs may run over the input of their step, by the indices of their owners."""
    index = {owner: number for number, owner in enumerate(tenants)}
    result = {}
    for number, step in enumerate(steps):
        if step.overlap is None or step.overlap[0] not in owners:
            continue
        out, x = owners[step.output], owners[step.overlap[0]]
        if out == x or out not in index or x not in index:
            continue
        crosses = tenants[x].first < 0 and tenants[out].last >= len(steps)
        if tenants[x].last == number == tenants[out].first and not crosses:
            result[index[out], index[x]] = step.overlap[1]
    return result


def _directed(step: Step, graph: Graph, offsets: dict[str, int]) -> Step:
    """The step computed backwards, if its output runs over its input from above."""
    if step.overlap is None or step.overlap[0] not in offsets or step.output not in offsets:
        return step
    name, distance = step.overlap
    lead = offsets[step.output] - offsets[name]
    apart = lead >= graph.tensors[name].nbytes or -lead >= graph.tensors[step.output].nbytes
    if apart or -lead >= distance.below:
        return step
    calls = tuple(replace(call, params={**call.params, "backwards": 1}) for call in step.calls)
    return replace(step, calls=calls)


def _state(graph: Graph) -> tuple[dict[str, int], int]:
    """Where each tensor that outlives a run lies, and the size of all."""
    places, end = {}, 0
    for name in graph.state:
        places[name] = end
        end += aligned(graph.tensors[name].nbytes)
    return places, end


def _next_state(graph: Graph) -> list[Step]:
    """Copies that end a run: what was made becomes what the next run reads.

    Several are safe one after the other: no new state shares memory with an old one.
    """
    steps = []
    for name, successor in graph.state.items():
        tensor = graph.tensors[name]
        arguments = (Slot(successor), Slot(name))
        call = Call("fleet_copy", "fleet_copy_params", {"bytes": tensor.nbytes}, arguments)
        step_name = graph.fresh(f"{name}/state")
        steps.append(Step(step_name, STATE, STATE, (name,), tensor.dtype.name, tensor.shape, (call,)))
    return steps


def _owners(graph: Graph) -> dict[str, str]:
    """For each tensor the one whose memory it is; a view and a transposition by name own none."""
    given = {*graph.inputs, *graph.state}
    owners = {name: name for name in given}
    for node in graph.nodes:
        source = owners.get(node.inputs[0]) if node.inputs else None
        # An output stays valid while the next input is written, and a new state is none of the old ones.
        crosses = source in given and any(_reaches_result(graph, name) for name in node.outputs)
        if source is not None and _renames(graph, node) and not crosses:
            owners[node.output] = source
        else:
            owners |= {name: name for name in node.outputs}
    return owners


def _renames(graph: Graph, node: Node) -> bool:
    """Whether input and output of a node are the same bytes."""
    if node.op != "Transpose" and node.op not in VIEWS:
        return False
    x, out = graph.tensors[node.inputs[0]], graph.tensors[node.output]
    if node.op == "Transpose":
        return True
    return x.shape != out.shape or same_memory(x.shape, x.memory, out.memory)


def _reaches_result(graph: Graph, name: str) -> bool:
    """Whether a tensor, or a view of it, is needed after the last step."""
    if name in graph.results:
        return True
    return any(
        _renames(graph, node) and _reaches_result(graph, node.output)
        for node in graph.consumers(name)
        if node.inputs[0] == name
    )


def _last_use(graph: Graph, steps: tuple[Step, ...], owners: dict[str, str]) -> dict[str, int]:
    """The last step that needs the memory of each owner; the number of steps for results."""
    index = {step.name: number for number, step in enumerate(steps)}
    last = dict.fromkeys(graph.inputs, -1)
    last |= {name: number for number, step in enumerate(steps) for name in step.outputs}
    for node in graph.nodes:
        if node.name not in index:
            continue
        for name in node.inputs:
            if name in owners:
                last[owners[name]] = max(last.get(owners[name], -1), index[node.name])
    for name in graph.results:
        if name in owners:
            last[owners[name]] = len(steps)
    return last


def _share_in_place(graph: Graph, steps: tuple[Step, ...], owners: dict[str, str]) -> None:
    """Let the output of a step take over the memory of an input that nobody needs afterwards."""
    last = _last_use(graph, steps, owners)
    inputs = {node.name: set(node.inputs) for node in graph.nodes}
    results = {owners[name] for name in graph.results if name in owners}
    tenants: dict[str, list[str]] = {}
    for tensor, holder in owners.items():
        tenants.setdefault(holder, []).append(tensor)
    for number, step in enumerate(steps):
        for name in step.in_place:
            owner = owners.get(name)
            if owner is None or owner in graph.state or last[owner] != number:
                continue
            if owner in graph.inputs and step.output in results:
                continue
            if graph.tensors[owner].nbytes < graph.tensors[step.output].nbytes:
                continue
            # Another name of the same memory may be walked in another order.
            if sum(owners.get(other) == owner for other in inputs[step.name]) > 1:
                continue
            last[owner] = last[step.output]
            if step.output in results:
                results.add(owner)
            for tensor in tenants.pop(step.output, ()):
                owners[tensor] = owner
                tenants[owner].append(tensor)
            break


def _buffers(
    graph: Graph, steps: tuple[Step, ...], owners: dict[str, str]
) -> tuple[dict[str, Buffer], dict[int, Buffer]]:
    """Memory of the owners, and scratch by step."""
    last = _last_use(graph, steps, owners)
    first = dict.fromkeys(graph.inputs, -1)
    for number, step in enumerate(steps):
        for owner in map(owners.__getitem__, step.outputs):
            first.setdefault(owner, number)
            last[owner] = max(last.get(owner, number), number)
    tenants = {
        owner: Buffer(aligned(graph.tensors[owner].nbytes), begin, last[owner])
        for owner, begin in first.items()
        if owner not in graph.state
    }
    scratch = {}
    for number, step in enumerate(steps):
        need = max((call.scratch.nbytes for call in step.calls if call.scratch), default=0)
        if need:
            scratch[number] = Buffer(aligned(need), number, number)
    return tenants, scratch
