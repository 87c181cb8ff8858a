"""Cutting a module into chunks, and the index that lists them.

Chunks end where tensors end, so that a release which changes one layer shares all other chunks
with its predecessor. Everything is named by its SHA-256 and is checked before it is stored.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from protocol.documents import Chunk, GoldenCase, IndexPage, Manifest
from protocol.errors import RefusedError

CHUNK_LIMIT = {"mcu": 4096}
"""Largest chunk or index page of a target, bytes; other targets have `DEFAULT_LIMIT`."""
DEFAULT_LIMIT = 32768
MERGE_BELOW = 1024
MAX_CHUNKS = 65536
MAX_PAGES = 4096
MAX_GOLDEN = 256
MAX_LAYERS = 65536
TAG = 16
"""Bytes that encryption adds to a chunk (`protocol.confidential`)."""
PAGE_HEAD = 64
"""Room in a page for all that is not an element of a list: a map, three array heads, a digest."""


File = Literal["module", "golden"]
"""What chunks make up: a module, or the inputs of all golden cases one after the other."""


class BadIndexError(RefusedError):
    """An index that is endless, inconsistent, or not what the manifest says."""


@dataclass(frozen=True)
class Index:
    """All pages of a target's index, read as one."""

    chunks: tuple[Chunk, ...]
    golden: tuple[GoldenCase, ...]
    trace: tuple[bytes, ...]
    overhead: int = 0
    """Bytes by which each chunk is longer on the wire than what it stands for: 0, or `TAG`."""

    def of(self, file: File) -> tuple[Chunk, ...]:
        """The chunks of the module, or of all golden inputs, in order."""
        if file == "module":
            return self.chunks
        return tuple(chunk for case in self.golden for chunk in case.inputs or ())


def sha256(data: bytes) -> bytes:
    """SHA-256 of `data`."""
    return hashlib.sha256(data).digest()


def limit(target: str) -> int:
    """Largest chunk of a target, bytes."""
    return CHUNK_LIMIT.get(target, DEFAULT_LIMIT)


def cut(data: bytes, boundaries: Iterable[int], most: int) -> list[bytes]:
    """Cut `data` at `boundaries` into pieces of at most `most` bytes.

    Pieces under `MERGE_BELOW` are merged with what follows as long as the result fits; longer
    stretches between two boundaries are cut every `most` bytes from their beginning.

    Args:
        data: The module.
        boundaries: Offsets, ascending or not, where a tensor ends and the next begins.
        most: Largest piece, bytes.
    """
    ends = sorted({b for b in boundaries if 0 < b < len(data)} | {len(data)})
    pieces: list[bytes] = []
    start = 0
    for position, end in enumerate(ends):
        follows = ends[position + 1] if position + 1 < len(ends) else None
        while end - start > most:
            pieces.append(data[start : start + most])
            start += most
        small = end - start < MERGE_BELOW
        if small and follows is not None and follows - start <= most:
            continue
        if end > start:
            pieces.append(data[start:end])
            start = end
    return pieces


def build_index(
    pieces: Sequence[bytes], golden: Sequence[GoldenCase], trace: Sequence[bytes], most: int
) -> list[bytes]:
    """Encode the index as pages of at most `most` bytes, first page first.

    Each page names the next by digest, so that the first page's digest stands for all.

    Raises:
        BadIndexError: a golden case has so many inputs that it does not fit into a page.
    """
    room = most - PAGE_HEAD
    pages: list[dict[str, list[Any]]] = [{}]
    left = room

    def add(field: str, item: object, size: int) -> None:
        nonlocal left
        if size > room:
            raise BadIndexError(f"index entry of {size} bytes does not fit into a page of {most}")
        if size > left:
            pages.append({})
            left = room
        pages[-1].setdefault(field, []).append(item)
        left -= size

    for piece in pieces:
        chunk = Chunk(digest=sha256(piece), length=len(piece))
        add("chunks", chunk, len(chunk.encode()))
    for case in golden:
        add("golden", case, len(case.encode()))
    for digest in trace:
        add("trace", digest, 1 + len(digest))
    encoded: list[bytes] = []
    following: bytes | None = None
    for page in reversed(pages):
        data = IndexPage(next=following, **page).encode()
        following = sha256(data)
        encoded.append(data)
    return encoded[::-1]


def read_index(
    first: bytes, fetch: Callable[[bytes], bytes], target: str, size: int, *, encrypted: bool = False
) -> Index:
    """Follow the pages from the digest `first`, checking each.

    Args:
        first: SHA-256 of the first page, from the manifest.
        fetch: Gives the bytes for a digest; what it gives is verified here.
        target: Decides the largest page.
        size: Bytes of the module, from the manifest.
        encrypted: Whether the manifest names a content key, so that each chunk ends with a tag.

    Raises:
        BadIndexError: a page of the wrong digest or size, more pages or entries than allowed, or chunks
            that do not add up.
    """
    chunks: list[Chunk] = []
    golden: list[GoldenCase] = []
    trace: list[bytes] = []
    total = 0
    overhead = TAG if encrypted else 0
    digest: bytes | None = first
    for _ in range(MAX_PAGES):
        if digest is None:
            break
        data = fetch(digest)
        page = open_page(data, digest, target, encrypted=encrypted)
        if not (page.chunks or page.golden or page.trace):
            raise BadIndexError("index has an empty page")
        chunks += page.chunks
        golden += page.golden
        trace += page.trace
        digest = page.next
        total += sum(chunk.length - overhead for chunk in page.chunks)
        if total > size or len(chunks) > MAX_CHUNKS:
            raise BadIndexError(
                f"index lists {total} bytes in {len(chunks)} chunks, {size} bytes are the module"
            )
        if len(golden) > MAX_GOLDEN or len(trace) > MAX_LAYERS:
            raise BadIndexError(f"index lists {len(golden)} golden cases and {len(trace)} layers, too many")
    else:
        raise BadIndexError(f"index has more than {MAX_PAGES} pages")
    if total != size:
        raise BadIndexError(f"index adds up to {total} bytes, the manifest says {size}")
    return Index(tuple(chunks), tuple(golden), tuple(trace), overhead)


def index_of(manifest: Manifest, target: str, fetch: Callable[[bytes], bytes]) -> Index:
    """`read_index` for one of a manifest's targets."""
    entry = manifest.targets[target]
    encrypted = manifest.content_key is not None
    return read_index(entry.index, fetch, target, entry.size, encrypted=encrypted)


def open_page(data: bytes, digest: bytes, target: str, *, encrypted: bool = False) -> IndexPage:
    """Check one page against its digest and its target's limits, and decode it.

    A tag comes on top of the largest chunk: a release is cut alike whether it is encrypted or not.

    Raises:
        BadIndexError: wrong digest, too large, or a chunk of illegal length.
    """
    most = limit(target)
    if len(data) > most:
        raise BadIndexError(f"index page of {len(data)} bytes is larger than {most}")
    if sha256(data) != digest:
        raise BadIndexError(f"index page is not sha256:{digest.hex()[:8]}…")
    page = IndexPage.decode(data, max_size=most)
    overhead = TAG if encrypted else 0
    for chunk in (*page.chunks, *(c for case in page.golden for c in case.inputs or ())):
        if not overhead < chunk.length <= most + overhead:
            allowed = f"{1 + overhead} to {most + overhead}"
            raise BadIndexError(f"index lists a chunk of {chunk.length} bytes; {allowed} are allowed")
    if any((case.inputs is None) == (case.seed is None) for case in page.golden):
        raise BadIndexError("index has a golden case that does not have either inputs or a seed")
    return page
