import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import MERGE_BELOW, BadIndexError, build_index, cut, limit, read_index, sha256
from protocol.documents import Chunk, GoldenCase, IndexPage

_LIMITS = st.sampled_from([1024, 4096, 32768])


@given(
    size=st.integers(0, 100_000),
    places=st.lists(st.integers(-10, 110_000), max_size=40),
    most=_LIMITS,
)
def test_cut_covers_everything_and_keeps_its_limits(size, places, most):
    data = bytes(size)
    pieces = cut(data, places, most)
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= most for piece in pieces)
    ends = {place for place in places if 0 < place < size} | {size}
    position = 0
    for piece in pieces[:-1]:
        position += len(piece)
        if len(piece) < MERGE_BELOW:
            # Forced: merged with all that follows up to the next boundary it would be too long.
            following = min(end for end in ends if end > position)
            assert following - (position - len(piece)) > most


@given(size=st.integers(1, 60_000), most=_LIMITS)
def test_a_change_in_one_tensor_renews_its_chunks_only(size, most):
    bounds = list(range(2048, size, 2048))
    data = bytearray(size)
    before = {sha256(piece) for piece in cut(bytes(data), bounds, most)}
    data[-1] ^= 1
    after = [sha256(piece) for piece in cut(bytes(data), bounds, most)]
    assert sum(digest not in before for digest in after) == 1


@given(
    lengths=st.lists(st.integers(1, 4096), min_size=1, max_size=300),
    inputs=st.lists(st.integers(0, 5), max_size=6),
    layers=st.integers(0, 900),
)
def test_an_index_is_read_as_it_was_built(lengths, inputs, layers):
    pieces = [n.to_bytes(2) * (length // 2) + bytes(length % 2) for n, length in enumerate(lengths)]
    case = Chunk(digest=sha256(b"in"), length=10)
    golden = [
        GoldenCase(outputs=sha256(b"out"), inputs=(case,) * count)
        if count
        else GoldenCase(outputs=sha256(b"out"), seed=3)
        for count in inputs
    ]
    trace = [sha256(bytes([n % 256]))[:8] for n in range(layers)]
    pages = build_index(pieces, golden, trace, limit("mcu"))
    assert all(len(page) <= limit("mcu") for page in pages)
    by_digest = {sha256(page): page for page in pages}
    index = read_index(sha256(pages[0]), by_digest.__getitem__, "mcu", sum(lengths))
    assert [(c.digest, c.length) for c in index.chunks] == [(sha256(p), len(p)) for p in pieces]
    assert (list(index.golden), list(index.trace)) == (golden, trace)
    assert index.of("module") == index.chunks
    assert index.of("golden") == (case,) * sum(inputs)


def test_a_large_index_is_built_in_a_second():
    chunk = bytes(16)
    before = time.process_time()
    build_index([chunk] * 20_000, [], [], limit("simd"))
    assert time.process_time() - before < 2


def test_a_golden_case_that_fits_into_no_page():
    case = GoldenCase(outputs=bytes(32), inputs=(Chunk(digest=bytes(32), length=1),) * 200)
    with pytest.raises(BadIndexError, match="does not fit"):
        build_index([b"x"], [case], [], limit("mcu"))


def test_an_endless_index_stops_when_the_module_is_full():
    chunk = Chunk(digest=bytes(32), length=100)
    served = []

    def endless(digest):
        served.append(digest)
        return pages[digest]

    pages, following = {}, None
    for _ in range(100):
        page = IndexPage(next=following, chunks=(chunk,)).encode()
        following = sha256(page)
        pages[following] = page
    with pytest.raises(BadIndexError, match="500 bytes are the module"):
        read_index(following, endless, "mcu", 500)
    assert len(served) == 6


def test_an_index_of_traces_stops():
    pages, following = {}, None
    for _ in range(200):
        page = IndexPage(next=following, trace=(bytes(8),) * 3600).encode()
        following = sha256(page)
        pages[following] = page
    with pytest.raises(BadIndexError, match="layers"):
        read_index(following, pages.__getitem__, "simd", 500)
