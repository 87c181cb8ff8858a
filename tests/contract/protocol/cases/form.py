"""What a vector looks like; `protocol/vectors/README.md` explains it to whoever reads the files."""

from typing import Any

Case = dict[str, Any]

BOARD = (-8,)
"""What `algorithms` says of a device that takes Ed25519 only."""


def case(name: str, operation: str, expect: Case, **inputs: Any) -> Case:
    """One vector. Bytes are written as hexadecimal, inputs of None are left out."""
    given = {key: plain(value) for key, value in inputs.items() if value is not None}
    return {"name": name, "operation": operation, **given, "expect": plain(expect)}


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def accept(**outputs: Any) -> Case:
    return {"accept": True, **outputs}


def refuse(error: str, rule: int | None = None, code: str | None = None) -> Case:
    """`error` is `cbor`, `message`, `cose`, `key`, `index` or `module`; or `trust`, with rule and code."""
    numbered = {} if rule is None else {"rule": rule, "code": code}
    return {"accept": False, "error": error, **numbered}


CBOR, MESSAGE, COSE, KEY, INDEX, MODULE = map(refuse, ("cbor", "message", "cose", "key", "index", "module"))
UNSIGNED = refuse("trust", 3, "signature")
ROOT_UNSIGNED = refuse("trust", 1, "signature")
