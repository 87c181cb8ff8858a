"""Where the chunks of a release lie in the files of a slot. Pure."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from protocol.chunks import Index


@dataclass(frozen=True)
class Place:
    """A stretch of a file that one chunk fills."""

    file: str
    """`module` or `golden`."""
    offset: int
    length: int


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

    def _offsets(self, file: str) -> list[tuple[bytes, Place]]:
        if file == "module":
            chunks = self.index.chunks
        else:
            chunks = tuple(chunk for case in self.index.golden for chunk in case.inputs or ())
        result, offset = [], 0
        for chunk in chunks:
            result.append((chunk.digest, Place(file, offset, chunk.length)))
            offset += chunk.length
        return result

    def golden_range(self, case: int) -> tuple[int, int]:
        """First and last (exclusive) byte of a case's inputs in the file `golden`."""
        sizes = [sum(chunk.length for chunk in c.inputs or ()) for c in self.index.golden]
        start = sum(sizes[:case])
        return start, start + sizes[case]

    def bytes_of(self, digest: bytes, file: str = "module") -> int:
        """How many bytes of a file one chunk fills."""
        return sum(place.length for place in self.places[digest] if place.file == file)
