"""The worked examples of docs/spec are what the code computes."""

from protocol import cbor, cose
from protocol.chunks import build_index, cut, sha256
from protocol.documents import GoldenCase
from protocol.module import Region, TensorMeta
from protocol.trust import ASSIGNMENT
from tests.contract.protocol.generate import VECTORS
from tests.support.simulator import Repository, digest, key

_SPEC = VECTORS.parents[1] / "docs" / "spec"


def _hex(name):
    return "".join((_SPEC / name).read_text().split())


def test_trust():
    text, owner, public = _hex("trust.md"), Repository(), key("director").public
    header = cbor.encode({1: public.algorithm, 4: public.id})
    payload = owner.assignment_document().encode()
    structure = cose.structure(
        "Signature", b"", header, aad=f"fleet/v1/{ASSIGNMENT}".encode(), payload=payload
    )
    for value in (
        public.data,
        public.id,
        cbor.encode(public.to_cose()),
        header,
        payload,
        structure,
        owner.assignment(),
    ):
        assert value.hex() in text


def test_chunks():
    text = _hex("chunks.md")
    pieces = cut(bytes(3000) + b"\1" * 5000, [500, 3000], 4096)
    assert [len(piece) for piece in pieces] == [3000, 4096, 904]
    golden = [GoldenCase(outputs=digest("out"), seed=7)]
    (page,) = build_index(pieces, golden, [digest("a")[:8]], 4096)
    assert page.hex() in text
    assert sha256(page).hex() in text


def test_module():
    text = _hex("module.md")
    tensor = TensorMeta(name="x", dtype="int8", shape=(1, 8), scale=0.5, zero_point=0)
    assert Region(offset=16384, size=6144).encode().hex() in text
    assert tensor.encode().hex() in text
