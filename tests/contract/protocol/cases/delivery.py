"""Index pages and reports."""

import hmac

from protocol import cbor, cose
from protocol.chunks import build_index
from protocol.documents import Chunk, GoldenCase, IndexPage, Report, Telemetry, Usage
from protocol.enrolment import report_key_id
from protocol.trust import REPORT, TELEMETRY
from tests.contract.protocol.cases.form import CBOR, COSE, INDEX, MESSAGE, Case, accept, case
from tests.support.simulator import DEVICE, MODEL, digest, key

_KEY = digest("report key")


def cases() -> list[Case]:
    return [*_indexes(), *_reports()]


def _indexes() -> list[Case]:
    pieces = [bytes([n]) * 1500 for n in range(200)]
    golden = [
        GoldenCase(outputs=digest("out"), inputs=(Chunk(digest=digest("in"), length=36),)),
        GoldenCase(outputs=digest("out 2"), seed=7),
    ]
    pages = build_index(pieces, golden, [digest(str(n))[:8] for n in range(20)], 4096)
    size = 1500 * 200

    def read(
        name: str,
        contents: list[bytes],
        expect: Case,
        *,
        first: bytes | None = None,
        size: int = size,
        target: str = "mcu",
    ) -> Case:
        named = {digest(page).hex(): page for page in contents}
        return case(
            name,
            "read_index",
            expect,
            first=first or digest(contents[0]),
            pages=named,
            target=target,
            size=size,
        )

    def one(name: str, expect: Case, *, size: int = 100, target: str = "mcu", **fields: object) -> Case:
        values = {"chunks": (Chunk(digest=digest("a"), length=100),), **fields}
        return read(name, [IndexPage(**values).encode()], expect, size=size, target=target)

    def raw(name: str, expect: Case, wire: dict[int, object]) -> Case:
        return read(name, [cbor.encode(wire)], expect, size=100)

    def chunk(length: int) -> tuple[Chunk, ...]:
        return (Chunk(digest=digest("a"), length=length),)

    entry = {1: digest("a"), 2: 100}
    forged = {digest(pages[0]).hex(): pages[1]}
    cycle = IndexPage(next=digest(pages[0]), chunks=chunk(100)).encode()
    empty = IndexPage().encode()
    return [
        read("several pages", pages, accept(chunks=200, golden=2, trace=20)),
        one("one page", accept(chunks=1, golden=0, trace=0)),
        one("the longest chunk", accept(chunks=1, golden=0, trace=0), chunks=chunk(4096), size=4096),
        one(
            "the longest chunk of another target",
            accept(chunks=1, golden=0, trace=0),
            chunks=chunk(32768),
            size=32768,
            target="simd",
        ),
        one("a chunk of no bytes", INDEX, chunks=(*chunk(100), *chunk(0))),
        one("a chunk above the limit", INDEX, chunks=chunk(4097), size=4097),
        one(
            "a chunk above the limit of another target", INDEX, chunks=chunk(32769), size=32769, target="simd"
        ),
        one("adds up to less", INDEX, size=101),
        one("adds up to more", INDEX, size=99),
        one("extra chunks", INDEX, chunks=chunk(100) * 3),
        one(
            "a golden input above the limit",
            INDEX,
            golden=(GoldenCase(outputs=digest("o"), inputs=chunk(4097)),),
        ),
        one("a golden case without input", INDEX, golden=(GoldenCase(outputs=digest("o")),)),
        one(
            "a golden case with input and seed",
            INDEX,
            golden=(GoldenCase(outputs=digest("o"), inputs=chunk(1), seed=1),),
        ),
        raw("a layer digest of 7 bytes", MESSAGE, {2: [entry], 4: [bytes(7)]}),
        read(
            "a page larger than its target's chunks",
            [IndexPage(chunks=chunk(40) * 200).encode()],
            INDEX,
            size=8000,
        ),
        case(
            "a page of another digest",
            "read_index",
            INDEX,
            first=digest(pages[0]),
            pages=forged,
            target="mcu",
            size=size,
        ),
        case(
            "a page that names itself",
            "read_index",
            INDEX,
            first=digest("self"),
            pages={digest("self").hex(): IndexPage(next=digest("self"), chunks=chunk(1)).encode()},
            target="mcu",
            size=100,
        ),
        case(
            "a page that leads back to the first",
            "read_index",
            INDEX,
            first=digest(cycle),
            pages={digest(cycle).hex(): cycle, digest(pages[0]).hex(): cycle},
            target="mcu",
            size=size,
        ),
        read(
            "an empty page",
            [IndexPage(next=digest(empty), chunks=chunk(100)).encode(), empty],
            INDEX,
            size=100,
        ),
        raw("an unknown key", accept(chunks=1, golden=0, trace=0), {2: [entry], 9: 1}),
        raw("an unknown critical key", MESSAGE, {2: [entry], -1: 1}),
        raw("a chunk length that is true", MESSAGE, {2: [{1: digest("a"), 2: True}]}),
        raw("a chunk length of 2^63", MESSAGE, {2: [{1: digest("a"), 2: 1 << 63}]}),
        raw("a chunk digest of 20 bytes", MESSAGE, {2: [{1: bytes(20), 2: 100}]}),
        read("not CBOR", [b"\xff"], CBOR),
    ]


def _reports() -> list[Case]:
    usage = {MODEL: Usage(inferences=10, rate=2.5)}
    report = Report(device=DEVICE, boot=3, sequence=14, root=1, generation=7, stale=False).encode()
    telemetry = Telemetry(device=DEVICE, boot=3, sequence=1, models=usage).encode()
    kid = report_key_id(_KEY)
    good = cose.mac0(REPORT, report, _KEY, kid)

    def opened(name: str, document: bytes, expect: Case, *, kind: str = REPORT) -> Case:
        return case(name, "open_mac0", expect, kind=kind, key=_KEY, document=document)

    def with_header(header: dict[int, object], unprotected: object = None) -> bytes:
        protected = cbor.encode(header) if header else b""
        tag = hmac.digest(
            _KEY, cose.structure("MAC0", protected, aad=b"fleet/v1/report", payload=report), "sha256"
        )
        return cose.TAG_MAC0 + cbor.encode([protected, unprotected or {}, report, tag])

    return [
        opened("a report", good, accept(payload=report)),
        opened(
            "telemetry", cose.mac0(TELEMETRY, telemetry, _KEY, kid), accept(payload=telemetry), kind=TELEMETRY
        ),
        opened("under another device's key", cose.mac0(REPORT, report, digest("other"), kid), COSE),
        opened("telemetry as a report", cose.mac0(TELEMETRY, telemetry, _KEY, kid), COSE),
        opened("one bit of the tag changed", good[:-1] + bytes([good[-1] ^ 1]), COSE),
        opened("one bit of the payload changed", good.replace(b"dev-0042", b"dev-0043"), COSE),
        opened(
            "a tag cut to 8 bytes",
            cose.TAG_MAC0 + cbor.encode([*cbor.decode(good[1:])[:3], good[-32:-24]]),
            COSE,
        ),
        opened("an empty tag", cose.TAG_MAC0 + cbor.encode([*cbor.decode(good[1:])[:3], b""]), COSE),
        opened("another algorithm", with_header({1: 4, 4: kid}), COSE),
        opened("an empty protected header", with_header({}), COSE),
        opened("no kid", with_header({1: 5}), COSE),
        opened("an extra header", with_header({1: 5, 4: kid, 5: b"iv"}), COSE),
        opened("an unprotected header", with_header({1: 5, 4: kid}, {4: kid}), COSE),
        opened("a COSE_Sign1 by a director", cose.sign1(REPORT, report, key("director")), COSE),
        opened("larger than 16 KiB", cose.mac0(REPORT, bytes(16385), _KEY, kid), COSE),
        opened("a byte after it", good + b"\0", CBOR),
    ]
