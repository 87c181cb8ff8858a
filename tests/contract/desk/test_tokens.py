"""Keys in a PKCS#11 token (SoftHSM2)."""

import sys

import pytest

from controller.keys import KeysExistError, KeyStore, PassphraseError, TokenError, keyfile, token
from controller.keys.files import write_new
from controller.keys.token import TokenPlace
from protocol.keys import EDDSA, ES256
from tests.support.tokens import LIBRARY, PIN, TOKEN, make_token


class Pin:
    def __init__(self, pin=PIN):
        self.given = pin

    def pin(self, token):
        assert token == TOKEN
        return self.given

    def passphrase(self, name):
        raise AssertionError(name)


@pytest.fixture(scope="module", autouse=True)
def hsm(tmp_path_factory):
    """One for all tests: the library reads its configuration once in the life of a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", make_token(tmp_path_factory.mktemp("hsm")))
        yield


def place(label):
    return TokenPlace(library=LIBRARY, token=TOKEN, label=label)


@pytest.mark.parametrize(("algorithm", "label"), [(EDDSA, "ed"), (ES256, "es")])
def test_a_key_is_made_in_the_token_and_signs_there(tmp_path, algorithm, label):
    public = token.make_in_token(place(label), algorithm, PIN)
    assert public.algorithm == algorithm
    write_new(tmp_path / f"{label}.key", keyfile.token_text(public, place(label)), secret=True)
    store = KeyStore(tmp_path, Pin())
    [stored] = store.stored()
    assert (stored.id, stored.form, stored.algorithm) == (public.id, "token", algorithm)
    signer = store.signer(label)
    for message in (b"", b"a manifest", bytes(5000)):
        assert public.verify(signer.sign(message), message)
    assert token.find_in_token(place(label), PIN) == public


def test_no_key_is_made_twice():
    token.make_in_token(place("twice"), EDDSA, PIN)
    with pytest.raises(KeysExistError, match="already"):
        token.make_in_token(place("twice"), EDDSA, PIN)


def test_a_file_that_names_another_key_gives_no_signature(tmp_path):
    token.make_in_token(place("mine"), EDDSA, PIN)
    other = token.make_in_token(place("other"), EDDSA, PIN)
    write_new(tmp_path / "mine.key", keyfile.token_text(other, place("mine")), secret=True)
    with pytest.raises(TokenError, match="is not key"):
        KeyStore(tmp_path, Pin()).signer("mine").sign(b"text")


def test_a_wrong_pin_is_not_quoted():
    with pytest.raises(PassphraseError, match="refuses the PIN") as caught:
        token.find_in_token(place("ed"), "0000-1111")
    assert "0000-1111" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("library", "name", "label", "words"),
    [
        (LIBRARY, TOKEN, "absent", "has no key absent"),
        (LIBRARY, "lost", "ed", "no token lost"),
        ("/nowhere/lib.so", TOKEN, "ed", "cannot be used"),
    ],
)
def test_what_is_not_there_is_named(library, name, label, words):
    with pytest.raises(TokenError, match=words):
        token.find_in_token(TokenPlace(library=library, token=name, label=label), PIN)


def test_without_the_extra_there_is_one_plain_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(TokenError) as caught:
        token.find_in_token(place("ed"), PIN)
    assert caught.value.remedy == "pip install 'modelfleet[pkcs11]'"
