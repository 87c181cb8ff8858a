"""Deterministic CBOR: what is read, and all that is not."""

from protocol import cbor
from protocol.keys import ES256, PublicKey
from tests.contract.protocol.cases.form import CBOR, KEY, Case, accept, case
from tests.support.simulator import digest, key

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7

_GOOD = {
    "zero": "00",
    "23": "17",
    "24": "1818",
    "2^64 - 1": "1bffffffffffffffff",
    "-2^64": "3bffffffffffffffff",
    "bytes": "43010203",
    "text": "63e6b0b4",
    "array": "83010203",
    "map of integers": "a3000117022003",
    "map of texts": "a2617a0162616100",
    "map of bytes": "a14101f5",
    "half float": "f93e00",
    "float": "fa47c35000",
    "double": "fb3ff199999999999a",
    "infinity": "f97c00",
    "NaN": "f97e00",
    "null": "f6",
    "twelve levels": "81" * 11 + "80",
    "empty map": "a0",
}
_BAD = {
    "nothing": "",
    "0 in two bytes": "1800",
    "23 in two bytes": "1817",
    "255 in three": "1900ff",
    "65535 in five": "1a0000ffff",
    "2^32 - 1 in nine": "1b00000000ffffffff",
    "-1 in two": "3800",
    "length in two bytes": "580100",
    "array length in two bytes": "980100",
    "map length in two bytes": "b8010001",
    "reserved information 28": "1c",
    "reserved information 30": "7e",
    "indefinite bytes": "5f4101ff",
    "indefinite text": "7f6161ff",
    "indefinite array": "9f01ff",
    "indefinite map": "bf0001ff",
    "break": "ff",
    "trailing byte": "0000",
    "truncated integer": "1900",
    "truncated bytes": "4201",
    "truncated array": "8201",
    "truncated map": "a101",
    "tag": "c001",
    "bignum": "c249010000000000000000",
    "date": "c11a514b67b0",
    "self-described": "d9d9f700",
    "shared reference": "d81c00",
    "undefined": "f7",
    "simple 16": "f0",
    "simple 24": "f818",
    "simple 255": "f8ff",
    "false in two bytes": "f814",
    "keys not in order": "a201000000",
    "key twice": "a200010002",
    "text keys not in order": "a262616100616100",
    "text key twice": "a2616100616101",
    "negative key before positive": "a220000000",
    "key above 23": "a1181800",
    "key below -24": "a1381800",
    "key that is true": "a1f500",
    "key that is null": "a1f600",
    "key that is a float": "a1f93c0000",
    "key that is an array": "a18000",
    "key that is a map": "a1a000",
    "integer and text keys": "a20000616100",
    "bytes and text keys": "a2410000616100",
    "thirteen levels": "81" * 12 + "80",
    "a thousand levels": "81" * 1000 + "00",
    "map of 2^32 entries": "bb0000000100000000",
    "array of 2^64 - 1 items": "9bffffffffffffffff",
    "bytes of 2^63": "5b8000000000000000",
    "text that is not UTF-8": "61ff",
    "overlong UTF-8": "62c080",
    "surrogate in UTF-8": "63eda080",
    "double for 1.5": "fb3ff8000000000000",
    "float for 1.5": "fa3fc00000",
    "float infinity": "fa7f800000",
    "float NaN": "fa7fc00000",
    "NaN with a payload": "f97e01",
    "signalling NaN": "f97c01",
    "negative NaN": "f9fe00",
}


def cases() -> list[Case]:
    return [
        *(case(name, "decode_cbor", accept(), document=bytes.fromhex(data)) for name, data in _GOOD.items()),
        *(case(name, "decode_cbor", CBOR, document=bytes.fromhex(data)) for name, data in _BAD.items()),
        *_keys(),
        *_signatures(),
    ]


def edwards(y: int, sign: int = 0) -> bytes:
    """The encoding of a point (RFC 8032 section 5.1.2)."""
    return (y | sign << 255).to_bytes(32, "little")


_SMALL = {"0": 0, "1": 1, "-1": _P - 1, "y8": _Y8, "-y8": _P - _Y8}
_NEUTRAL = {
    "the neutral point": edwards(1),
    "the neutral point with a sign": edwards(1, 1),
    "the neutral point as p + 1": edwards(_P + 1),
}
_BASE = edwards(4 * pow(5, -1, _P) % _P)


def _forged(name: str, public: bytes) -> Case:
    """R = B and S = 1 satisfy sB = R + hA for every message, if A is the neutral point."""
    return case(
        f"forged for any message under {name}",
        "verify",
        {"accept": False, "error": "signature"},
        key=public,
        algorithm=-8,
        message=b"a message",
        signature=_BASE + (1).to_bytes(32, "little"),
    )


def _keys() -> list[Case]:
    off_curve = PublicKey(ES256, bytes(63) + b"\1").to_cose()

    def public(name: str, cose_key: dict[int, object], expect: Case) -> Case:
        return case(name, "read_key", expect, document=cbor.encode(cose_key))

    def point(name: str, data: bytes) -> Case:
        return public(name, {1: 1, 3: -8, -1: 6, -2: data}, KEY)

    ed, hsm = key("release").public, key("hsm").public
    return [
        public("an Ed25519 key", ed.to_cose(), accept(kid=ed.id)),
        public("a P-256 key", hsm.to_cose(), accept(kid=hsm.id)),
        *(
            point(f"small order, y = {name}, sign {s}", edwards(y, s))
            for name, y in _SMALL.items()
            for s in (0, 1)
        ),
        *(point(f"y = p + {n}", edwards(_P + n)) for n in (0, 1, 3, 18)),
        point("31 bytes", ed.data[:31]),
        point("33 bytes", ed.data + b"\0"),
        public("a point off the P-256 curve", off_curve, KEY),
        public(
            "P-256 coordinates of 31 and 33 bytes",
            {1: 2, 3: -7, -1: 1, -2: hsm.data[:31], -3: hsm.data[31:]},
            KEY,
        ),
        public("an unknown algorithm", {1: 1, 3: -19, -1: 6, -2: ed.data}, KEY),
        public("another curve", {1: 1, 3: -8, -1: 7, -2: ed.data}, KEY),
        public("a key type that is true", {1: True, 3: -8, -1: 6, -2: ed.data}, KEY),
        public("an algorithm that is a float", {1: 1, 3: -8.0, -1: 6, -2: ed.data}, KEY),
        public("a private part", ed.to_cose() | {-4: digest("secret")}, KEY),
        public("no algorithm", {1: 1, -1: 6, -2: ed.data}, KEY),
        public("an empty map", {}, KEY),
    ]


def _signatures() -> list[Case]:
    message = b"a message"

    def verify(name: str, signer: str, signature: bytes, *, good: bool = False) -> Case:
        expect = {"accept": good} if good else {"accept": False, "error": "signature"}
        return case(
            name,
            "verify",
            expect,
            key=key(signer).public.data,
            algorithm=key(signer).public.algorithm,
            message=message,
            signature=signature,
        )

    ed, hsm = key("release").sign(message), key("hsm").sign(message)
    scalar = int.from_bytes(ed[32:], "little")
    r, s = hsm[:32], hsm[32:]
    return [
        verify("Ed25519", "release", ed, good=True),
        verify("ES256", "hsm", hsm, good=True),
        verify(
            "ES256 with n - s, which ECDSA allows",
            "hsm",
            r + (_N - int.from_bytes(s)).to_bytes(32),
            good=True,
        ),
        verify("S + L", "release", ed[:32] + (scalar + _L).to_bytes(32, "little")),
        verify("S = L", "release", ed[:32] + _L.to_bytes(32, "little")),
        verify("S = 2^256 - 1", "release", ed[:32] + b"\xff" * 32),
        *(
            verify(f"R of small order, y = {name}, sign {sign}", "release", edwards(y, sign) + ed[32:])
            for name, y in _SMALL.items()
            for sign in (0, 1)
        ),
        *(verify(f"R with y = p + {n}", "release", edwards(_P + n) + ed[32:]) for n in (0, 1, 3, 18)),
        *(_forged(name, data) for name, data in _NEUTRAL.items()),
        verify("R with another sign", "release", ed[:31] + bytes([ed[31] ^ 0x80]) + ed[32:]),
        verify("all zero", "release", bytes(64)),
        verify("too short", "release", ed[:63]),
        verify("too long", "release", ed + b"\0"),
        verify("ES256 r = 0", "hsm", bytes(32) + s),
        verify("ES256 s = 0", "hsm", r + bytes(32)),
        verify("ES256 r = n", "hsm", _N.to_bytes(32) + s),
        verify("ES256 s = n", "hsm", r + _N.to_bytes(32)),
        verify("ES256 s + n where it fits", "hsm", r + b"\xff" * 32),
        verify("ES256 as DER", "hsm", b"\x30\x44\x02\x20" + r + b"\x02\x20" + s),
    ]
