"""Runs a vector against `protocol`, as another implementation would against its own."""

from typing import Any

from protocol import cbor, cose, module
from protocol.boards import LINUX
from protocol.cbor import CborError
from protocol.chunks import BadIndexError, read_index, sha256
from protocol.commands import Command, Result, accept_command
from protocol.confidential import Cipher, ConfidentialError, content_key_of, wrapping_key
from protocol.cose import CoseError
from protocol.documents import (
    MAX_REPORT,
    Assignment,
    Capabilities,
    IndexPage,
    Manifest,
    NonceAnswer,
    Report,
    Root,
    Target,
    Telemetry,
)
from protocol.enrolment import Invitation
from protocol.errors import FleetError
from protocol.keys import BadKeyError, PublicKey
from protocol.message import Message, MessageError
from protocol.module import ModuleError, ModuleMeta
from protocol.trust import TrustError, TrustState, Verifier, check_module, choose_target

RULES: dict[str, type[Message]] = {
    "root": Root,
    "manifest": Manifest,
    "assignment": Assignment,
    "nonce-answer": NonceAnswer,
    "index-page": IndexPage,
    "report": Report,
    "telemetry": Telemetry,
    "invitation": Invitation,
    "trust-state": TrustState,
    "fleet-meta": ModuleMeta,
    "command": Command,
    "result": Result,
}
_ERRORS: dict[type[FleetError], str] = {
    CborError: "cbor",
    MessageError: "message",
    CoseError: "cose",
    BadKeyError: "key",
    BadIndexError: "index",
    ConfidentialError: "confidential",
    ModuleError: "module",
}


def outcome(vector: dict[str, Any]) -> dict[str, Any]:
    """What `protocol` says to a vector, in the form of its `expect`."""
    try:
        return {"accept": True, **_run(vector)}
    except TrustError as error:
        return {"accept": False, "error": "trust", "rule": error.rule, "code": error.code}
    except FleetError as error:
        return {"accept": False, "error": _ERRORS[type(error)]}


def _run(vector: dict[str, Any]) -> dict[str, Any]:
    document = bytes.fromhex(vector.get("document", ""))
    operation = vector["operation"]
    run = _OPERATIONS.get(operation)
    return run(vector, document) if run else _trust(operation, vector, document)


def _decode_cbor(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    assert cbor.encode(cbor.decode(document)) == document
    return {}


def _decode(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    assert RULES[vector["rule"]].decode(document).encode() == document
    return {}


def _decode_envelope(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    return _decode_cbor(vector, document[2 if document[0] == 0xD8 else 1 :])


def _read_key(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    return {"kid": PublicKey.from_cose(cbor.decode(document)).id.hex()}


def _open_mac0(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    secret = bytes.fromhex(vector["key"])
    return {"payload": cose.open_mac0(vector["kind"], document, secret, max_payload=MAX_REPORT).hex()}


def _choose_target(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    capabilities = Capabilities.decode(bytes.fromhex(vector["capabilities"]))
    return {"target": choose_target(Manifest.decode(document), capabilities)[0]}


def _check_module(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    check_module(document, Target.decode(bytes.fromhex(vector["target"])))
    return {}


def _check_wasm(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    module.check(document)
    return {}


def _verify(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    key = PublicKey(vector["algorithm"], bytes.fromhex(vector["key"]))
    if key.verify(bytes.fromhex(vector["signature"]), bytes.fromhex(vector["message"])):
        return {}
    return {"accept": False, "error": "signature"}


def _read_index(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    pages = {bytes.fromhex(name): bytes.fromhex(page) for name, page in vector["pages"].items()}
    index = read_index(
        bytes.fromhex(vector["first"]),
        pages.__getitem__,
        vector["target"],
        vector["size"],
        encrypted=vector.get("encrypted", False),
    )
    return {"chunks": len(index.chunks), "golden": len(index.golden), "trace": len(index.trace)}


def _wrapping_key(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    private, peer, manifest = (bytes.fromhex(vector[name]) for name in ("private", "peer", "manifest"))
    return {"key": wrapping_key(private, peer, vector["device"], manifest).hex()}


def _content_key(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    device = Verifier(TrustState.decode(bytes.fromhex(vector["state"])))
    wrapped_by, manifest = bytes.fromhex(vector["wrapping_key"]), Manifest.decode(document)
    found = content_key_of(device, manifest, sha256(document), wrapped_by)
    return {"content_key": found.hex() if found is not None else None}


def _decrypt_chunk(vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    cipher = Cipher(bytes.fromhex(vector["content_key"]), vector["target"])
    return {"clear": cipher.decrypt(vector["file"], vector["number"], document).hex()}


def _trust(operation: str, vector: dict[str, Any], document: bytes) -> dict[str, Any]:
    algorithms = frozenset(vector.get("algorithms", LINUX))
    if operation == "enrol":
        return {"state": Verifier.enrol(vector["device"], document, algorithms).state.encode().hex()}
    device = Verifier(TrustState.decode(bytes.fromhex(vector["state"])), algorithms)
    match operation:
        case "update_root":
            return {"state": device.update_root(document).state.encode().hex()}
        case "accept_assignment":
            return {"state": device.accept_assignment(document, vector["now"])[0].state.encode().hex()}
        case "check_manifest":
            device.check_manifest(vector["model"], document, bytes.fromhex(vector["wanted"]))
            return {}
        case "open_nonce_answer":
            return {"now": device.open_nonce_answer(document, bytes.fromhex(vector["nonce"])).now}
        case "accept_command":
            done = {bytes.fromhex(identity) for identity in vector["done"]}
            now, started = vector["now"], vector["started"]
            return {"id": accept_command(device, document, now=now, started=started, done=done).id.hex()}
        case _:
            raise AssertionError(operation)


_OPERATIONS = {
    "decode_cbor": _decode_cbor,
    "decode": _decode,
    "decode_envelope": _decode_envelope,
    "read_key": _read_key,
    "verify": _verify,
    "read_index": _read_index,
    "open_mac0": _open_mac0,
    "wrapping_key": _wrapping_key,
    "content_key": _content_key,
    "decrypt_chunk": _decrypt_chunk,
    "choose_target": _choose_target,
    "check_module": _check_module,
    "check_wasm": _check_wasm,
}
