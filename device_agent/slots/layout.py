"""Where the chunks of a release lie in the files of a slot. Pure."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from protocol.chunks import File, Index


@dataclass(frozen=True)
class Place:
    """A stretch of a file that one chunk fills."""

    file: File
    """`module` or `golden`."""
    offset: int
    length: int
    number: int
    """Which chunk of the file it is, from 0."""


@dataclass(frozen=True)
class Layout:
    """The chunks of one target: the module, and all golden inputs one after the other."""

    index: Index

    @cached_property
    def places(self) -> dict[bytes, tuple[Place, ...]]:
        """Every place of every chunk, by digest; equal chunks are fetched once."""
        found: defaultdict[bytes, list[Place]] = defaultdict(list)
        for chunk, offset in self._offsets("module"):
            found[chunk].append(offset)
        for chunk, offset in self._offsets("golden"):
            found[chunk].append(offset)
        return {digest: tuple(places) for digest, places in found.items()}

    def _offsets(self, file: File) -> list[tuple[bytes, Place]]:
        result, offset = [], 0
        for number, chunk in enumerate(self.index.of(file)):
            length = chunk.length - self.index.overhead
            result.append((chunk.digest, Place(file, offset, length, number)))
            offset += length
        return result

    def golden_range(self, case: int) -> tuple[int, int]:
        """First and last (exclusive) byte of a case's inputs in the file `golden`."""
        overhead = self.index.overhead
        sizes = [sum(chunk.length - overhead for chunk in c.inputs or ()) for c in self.index.golden]
        start = sum(sizes[:case])
        return start, start + sizes[case]

    def bytes_of(self, digest: bytes, file: str = "module") -> int:
        """How many bytes of a file one chunk fills."""
        return sum(place.length for place in self.places[digest] if place.file == file)
