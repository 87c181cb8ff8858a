"""R14: content keys on their way to a device, and chunks under them."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from protocol import cbor, cose
from protocol.chunks import File
from protocol.confidential import CONTENT_KEY, Cipher, key_id, wrap, wrapping_key
from protocol.documents import Chunk, Desired, GoldenCase, IndexPage
from protocol.trust import TrustState
from tests.contract.protocol.cases.form import INDEX, Case, accept, case, refuse
from tests.support.simulator import DEVICE, MODEL, NOW, Repository, digest

_KEY, _OTHER_KEY = digest("content key"), digest("another content key")
_CONTROLLER, _DEVICE, _NEIGHBOUR = (
    X25519PrivateKey.from_private_bytes(digest(f"x25519 {name}"))
    for name in ("controller", "device", "neighbour")
)
_CLOSED = refuse("confidential")


def cases() -> list[Case]:
    return [*_wrapping(), *_content_keys(), *_chunks(), *_indexes()]


def _public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _wrapping_key(manifest: bytes, device: str = DEVICE, private: X25519PrivateKey = _DEVICE) -> bytes:
    return wrapping_key(private.private_bytes_raw(), _public(_CONTROLLER), device, manifest)


def _wrapping() -> list[Case]:
    manifest = digest("manifest")

    def derived(name: str, private: X25519PrivateKey, peer: X25519PrivateKey, device: str) -> Case:
        key = wrapping_key(private.private_bytes_raw(), _public(peer), device, manifest)
        inputs = {"private": private.private_bytes_raw(), "peer": _public(peer), "device": device}
        return case(name, "wrapping_key", accept(key=key), **inputs, manifest=manifest)

    return [
        derived("a device's", _DEVICE, _CONTROLLER, DEVICE),
        derived("the same, as the controller derives it", _CONTROLLER, _DEVICE, DEVICE),
        derived("another device's", _NEIGHBOUR, _CONTROLLER, "dev-0043"),
    ]


def _content_keys() -> list[Case]:
    owner = Repository()
    release = owner.manifest_document(content_key=key_id(_KEY))
    name = digest(release.encode())
    mine = _wrapping_key(name)
    good = wrap(_KEY, mine)

    def read(
        title: str, expect: Case, wrapped: bytes | None, *, entry: Desired | None = None, clear: bool = False
    ) -> Case:
        document = (owner.manifest_document() if clear else release).encode()
        desired = entry or Desired(manifest=digest(document), content_key=wrapped)
        assignment = owner.assignment(models={MODEL: desired})
        state = TrustState(device=DEVICE, root=owner.root(), generation=1, issued=NOW, assignment=assignment)
        return case(
            title, "content_key", expect, state=state.encode(), wrapping_key=mine, document=document
        )  # fmt: skip

    def altered(title: str, position: int) -> Case:
        return read(title, refused, good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])

    def envelope(header: dict[int, object], *more: object, kind: str = CONTENT_KEY) -> bytes:
        protected = cbor.encode(header) if header else b""
        aad = cbor.encode(["Encrypt0", protected, f"fleet/v1/{kind}".encode()])
        sealed = ChaCha20Poly1305(mine).encrypt(bytes(12), _KEY, aad)
        return cose.TAG_ENCRYPT0 + cbor.encode([protected, *(more or ({},)), sealed])

    refused = refuse("trust", 14, "content-key")
    return [
        read("wrapped for this device", accept(content_key=_KEY), good),
        read("a release in the clear", accept(content_key=None), None, clear=True),
        read("a release in the clear with a key", accept(content_key=None), good, clear=True),
        read("no key", refused, None),
        read("wrapped for another device", refused, wrap(_KEY, _wrapping_key(name, "dev-0043"))),
        read(
            "wrapped under another device's secret",
            refused,
            wrap(_KEY, _wrapping_key(name, DEVICE, _NEIGHBOUR)),
        ),
        read("wrapped for another release", refused, wrap(_KEY, _wrapping_key(digest("other")))),
        read("another content key", refused, wrap(_OTHER_KEY, mine)),
        read("a content key of 16 bytes", refused, wrap(_KEY[:16], mine)),
        read(
            "the assignment wants another release",
            refused,
            None,
            entry=Desired(manifest=digest("other"), content_key=good),
        ),
        altered("one bit of the ciphertext changed", len(good) - 20),
        altered("one bit of the tag changed", len(good) - 1),
        read("of another kind", refused, envelope({1: 24, 5: bytes(12)}, kind="report")),
        read("AES-GCM in the header", refused, envelope({1: 3, 5: bytes(12)})),
        read("another nonce in the header", refused, envelope({1: 24, 5: b"\1" * 12})),
        read("a nonce in no header", refused, envelope({1: 24})),
        read("an empty protected header", refused, envelope({})),
        read("an unprotected header", refused, envelope({1: 24, 5: bytes(12)}, {5: bytes(12)})),
        read("a recipient more", refused, envelope({1: 24, 5: bytes(12)}, {}, [])),
        read("under the tag of COSE_Mac0", refused, cose.TAG_MAC0 + good[1:]),
        read("without its tag", refused, good[1:]),
        read("cut short", refused, good[:-1]),
        read("a byte after it", refused, good + b"\0"),
        read("no bytes", refused, b""),
    ]


def _chunks() -> list[Case]:
    text = bytes(range(256)) * 3
    cipher = Cipher(_KEY, "simd")
    sealed = cipher.encrypt("module", 2, text)

    def opened(
        title: str,
        document: bytes,
        expect: Case,
        *,
        key: bytes = _KEY,
        target: str = "simd",
        file: File = "module",
        number: int = 2,
    ) -> Case:
        inputs = {"content_key": key, "target": target, "file": file, "number": number}
        return case(title, "decrypt_chunk", expect, **inputs, document=document)

    golden = cipher.encrypt("golden", 0, text)
    last = cipher.encrypt("module", 65535, text)
    return [
        opened("a chunk of the module", sealed, accept(clear=text)),
        opened("a chunk of a golden input", golden, accept(clear=text), file="golden", number=0),
        opened("the last that an index can have", last, accept(clear=text), number=65535),
        opened("of another place", sealed, _CLOSED, number=1),
        opened("of the module, among the golden inputs", sealed, _CLOSED, file="golden"),
        opened("of another target", sealed, _CLOSED, target="mvp"),
        opened("under another content key", sealed, _CLOSED, key=_OTHER_KEY),
        opened("a chunk with one bit changed", bytes([sealed[0] ^ 1]) + sealed[1:], _CLOSED),
        opened("a chunk cut short", sealed[:-1], _CLOSED),
        opened("a tag alone", cipher.encrypt("module", 2, b""), accept(clear=b"")),
        opened("less than a tag", sealed[:15], _CLOSED),
    ]


def _indexes() -> list[Case]:
    def one(title: str, expect: Case, *lengths: int, size: int, inputs: int | None = None) -> Case:
        chunks = tuple(Chunk(digest=digest(str(n)), length=length) for n, length in enumerate(lengths))
        golden = () if inputs is None else (
            GoldenCase(outputs=digest("o"), inputs=(Chunk(digest=digest("i"), length=inputs),)),
        )  # fmt: skip
        page = IndexPage(chunks=chunks, golden=golden).encode()
        given = {"first": digest(page), "pages": {digest(page).hex(): page}, "target": "mcu", "size": size}
        return case(title, "read_index", expect, **given, encrypted=True)

    def good(chunks: int, golden: int = 0) -> Case:
        return accept(chunks=chunks, golden=golden, trace=0)

    return [
        one("encrypted: one chunk", good(1), 116, size=100),
        one("encrypted: the longest chunk", good(1), 4112, size=4096),
        one("encrypted: a golden input", good(1, 1), 116, size=100, inputs=4112),
        one("encrypted: a chunk above the limit", INDEX, 4113, size=4097),
        one("encrypted: nothing but a tag", INDEX, 116, 16, size=100),
        one("encrypted: less than a tag", INDEX, 116, 15, size=100),
        one("encrypted: a golden input of nothing but a tag", INDEX, 116, size=100, inputs=16),
        one("encrypted: sizes as if in the clear", INDEX, 100, size=100),
        one("encrypted: adds up to more", INDEX, 116, 17, size=100),
    ]
