"""Values that others published come out the same; `published.json` names the sources."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from protocol import cbor, cose
from protocol.cbor import CborError
from protocol.cose import CoseError
from protocol.keys import EDDSA, ES256, PublicKey, SoftwareKey
from tests.contract.protocol.generate import VECTORS

_PUBLISHED = json.loads((VECTORS / "published.json").read_text())
_COSE = _PUBLISHED["cose"]


@pytest.mark.parametrize("message", _COSE["messages"], ids=lambda message: message["name"])
def test_cose_working_group(message):
    protected = [bytes.fromhex(header) for header in message["protected"]]
    structure = cose.structure(
        message["context"],
        *protected,
        aad=bytes.fromhex(message["aad"]),
        payload=bytes.fromhex(message.get("payload", _COSE["payload"])),
    )
    assert structure.hex() == message.get("structure", structure.hex())
    if message["context"] == "MAC0":
        tag = hmac.digest(bytes.fromhex(_COSE["hmac_key"]), structure, hashlib.sha256)
        assert (tag.hex() == message["tag"]) is not message.get("fails", False)
        return
    algorithm = EDDSA if message["key"] == "ed25519" else ES256
    key = PublicKey(algorithm, bytes.fromhex(_COSE[message["key"]]))
    key.check()
    assert key.verify(bytes.fromhex(message["signature"]), structure) is not message.get("fails", False)
    assert not key.verify(bytes.fromhex(message["signature"]), structure + b"\0")
    if algorithm == EDDSA:
        signer = SoftwareKey.from_seed(bytes.fromhex(_COSE["ed25519_seed"]))
        assert signer.sign(structure).hex() == message["signature"]


def test_cose_working_group_encrypt0():
    message = {name: bytes.fromhex(value) for name, value in _COSE["encrypt0"].items() if name != "source"}
    aad = cose.encrypt_structure(message["protected"], b"")
    clear = ChaCha20Poly1305(message["key"]).decrypt(message["iv"], message["ciphertext"], aad)
    assert clear.hex() == _COSE["payload"]


@pytest.mark.parametrize("name", _COSE["whole"])
def test_their_envelopes_are_of_another_form(name):
    """Theirs carry `kid` unprotected, or no `alg`: well-formed COSE that none of our documents may be."""
    data = bytes.fromhex(_COSE["whole"][name])
    key = PublicKey(ES256, bytes.fromhex(_COSE["p256"]))
    for read in (
        lambda: cose.parse(data, max_payload=100),
        lambda: cose.open1("manifest", data, {b"11": key}, max_payload=100),
        lambda: cose.open_mac0("report", data, bytes.fromhex(_COSE["hmac_key"]), max_payload=100),
    ):
        with pytest.raises(CoseError):
            read()


@pytest.mark.parametrize("case", _PUBLISHED["ed25519"]["cases"], ids=lambda case: case["public"][:8])
def test_rfc_8032(case):
    signer = SoftwareKey.from_seed(bytes.fromhex(case["seed"]))
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    assert signer.public.data.hex() == case["public"]
    assert signer.sign(message) == signature
    assert signer.public.verify(signature, message)


@pytest.mark.parametrize(("encoded", "value"), _PUBLISHED["cbor"]["accepted"].items())
def test_rfc_8949_is_read_and_written(encoded, value):
    data = bytes.fromhex(encoded)
    got = cbor.decode(data)
    assert got == value
    assert type(got) is type(value)
    assert cbor.encode(value) == data


@pytest.mark.parametrize("encoded", _PUBLISHED["cbor"]["refused"])
def test_rfc_8949_other_forms_are_refused(encoded):
    with pytest.raises(CborError):
        cbor.decode(bytes.fromhex(encoded))
