"""The golden self-test, and which layer to blame when it fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from device_agent.serving import Loaded
from protocol.chunks import Index
from protocol.golden import random_inputs


@dataclass(frozen=True)
class Difference:
    """What a golden case showed; `layer` is the first that differs, if the trace tells."""

    text: str
    layer: int | None


async def check(
    loaded: Loaded, index: Index, number: int, stored: Callable[[int], Awaitable[bytes]]
) -> Difference | None:
    """Run one golden case.

    Args:
        loaded: The module under test.
        index: Its golden cases and trace.
        number: Which case.
        stored: Gives the inputs of a case that came with the release, one tensor after the other.

    Returns:
        None when the outputs are what they should be.

    Raises:
        RunnerError: the run ended in a trap, late, or with a non-finite output.
    """
    case = index.golden[number]
    # The first run of a fresh module touches every page of it; the deadline is for the ones after.
    patience = 4 * loaded.deadline + 1
    if await loaded.runner.golden(await _inputs(loaded, index, number, stored), patience) == case.outputs:
        return None
    if index.trace:
        # The trace belongs to the first case.
        found = await loaded.runner.trace(await _inputs(loaded, index, 0, stored), patience)
        for layer, (here, right) in enumerate(zip(found, index.trace, strict=False)):
            if here != right:
                name = loaded.meta.describe_layer(layer)
                return Difference(f"golden test: first difference in layer {name}", layer)
    count = f"{number + 1} of {len(index.golden)}"
    return Difference(f"golden test: outputs of case {count} differ, no layer of the first case does", None)


async def _inputs(
    loaded: Loaded, index: Index, number: int, stored: Callable[[int], Awaitable[bytes]]
) -> list[bytes]:
    tensors, seed = loaded.meta.inputs, index.golden[number].seed
    if seed is not None:
        return await asyncio.to_thread(random_inputs, seed, tensors)
    data, parts, start = await stored(number), [], 0
    for tensor in tensors:
        parts.append(data[start : start + tensor.nbytes])
        start += tensor.nbytes
    return parts
