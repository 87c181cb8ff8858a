"""A module drawn with a row for each step: who reads what, and which bytes of the arena are in use when.

Rows are the inputs, then the layers in the order in which they run, then the outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from protocol.module import ModuleMeta


@dataclass(frozen=True)
class Row:
    """A row of the drawing.

    Attributes:
        kind: What it shows.
        index: Number among its kind.
        lane: Column of its dot; a line runs down in it to the last row that reads this one.
        reads: Rows whose outputs it reads.
        last: The last row that reads it, or itself.
    """

    kind: Literal["input", "layer", "output"]
    index: int
    lane: int
    reads: tuple[int, ...]
    last: int


@dataclass(frozen=True)
class Buffer:
    """Bytes in use from one row to another, both included.

    Attributes:
        kind: Scratch is in use while its layer runs.
        row: Of the input or layer that they belong to.
        offset: Address, bytes.
        in_place: They are bytes of a source of the same layer.
    """

    kind: Literal["value", "scratch"]
    row: int
    offset: int
    size: int
    last: int
    in_place: bool = False


def rows(meta: ModuleMeta, inputs: Sequence[int], outputs: Sequence[int]) -> list[Row]:
    """Every row, with lanes as `git log --graph` draws them: a lane is free again below its last reader.

    Args:
        meta: Of the module. A layer that does not say what it reads is taken to read the one before.
        inputs: Address of each input.
        outputs: Address of each output.
    """
    reads = _reads(meta, inputs, outputs)
    last = list(range(len(reads)))
    for row, sources in enumerate(reads):
        for source in sources:
            last[source] = row
    lanes: list[int] = []
    free_below: list[int] = []
    for row, sources in enumerate(reads):
        ending = [lanes[source] for source in sources if last[source] == row]
        open_lanes = [lane for lane, until in enumerate(free_below) if until < row or lane in ending]
        lane = (ending or open_lanes or [len(free_below)])[0]
        if lane == len(free_below):
            free_below.append(0)
        free_below[lane] = last[row]
        lanes.append(lane)
    kinds = [("input", len(meta.inputs)), ("layer", len(meta.layers)), ("output", len(meta.outputs))]
    named = [(kind, index) for kind, count in kinds for index in range(count)]
    return [
        Row(kind, index, lanes[row], reads[row], last[row])  # type: ignore[arg-type]  # kinds are literals
        for row, (kind, index) in enumerate(named)
    ]


def _reads(meta: ModuleMeta, inputs: Sequence[int], outputs: Sequence[int]) -> list[tuple[int, ...]]:
    """For each row the rows that it reads, each once."""
    count = len(meta.inputs)
    reads: list[tuple[int, ...]] = [() for _ in meta.inputs]
    for index, layer in enumerate(meta.layers):
        numbers = (index - 1,) if layer.reads is None else layer.reads
        reads.append(tuple(dict.fromkeys(count + n if n >= 0 else -1 - n for n in numbers)))
    for address, tensor in zip(outputs, meta.outputs, strict=True):
        reads.append((_maker(meta, address, tensor.nbytes, inputs),))
    return reads


def _maker(meta: ModuleMeta, address: int, nbytes: int, inputs: Sequence[int]) -> int:
    """The row that leaves an output at its address."""
    count = len(meta.inputs)
    for index in reversed(range(len(meta.layers))):
        layer = meta.layers[index]
        if layer.offset == address and layer.size == nbytes:
            return count + index
    return inputs.index(address) if address in inputs else count + len(meta.layers) - 1


def buffers(meta: ModuleMeta, drawn: Sequence[Row], inputs: Sequence[int]) -> list[Buffer]:
    """Memory of inputs, outputs of layers, and scratch, in the order of their rows."""
    found: list[Buffer] = []
    end = len(drawn) - 1
    results = {source for row in drawn if row.kind == "output" for source in row.reads}
    by_row: dict[int, Buffer] = {}
    for number, row in enumerate(drawn):
        if row.kind == "output":
            break
        if row.kind == "input":
            offset, size = inputs[row.index], meta.inputs[row.index].nbytes
        else:
            offset, size = meta.layers[row.index].offset, meta.layers[row.index].size
        sources = [by_row[source] for source in row.reads if source in by_row]
        in_place = any(s.offset < offset + size and offset < s.offset + s.size for s in sources)
        last = end if number in results else row.last
        by_row[number] = Buffer("value", number, offset, size, last, in_place)
        found.append(by_row[number])
        scratch = meta.layers[row.index].scratch if row.kind == "layer" else None
        if scratch is not None:
            found.append(Buffer("scratch", number, scratch.offset, scratch.size, number))
    return found
