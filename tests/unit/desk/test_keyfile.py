"""Key files: plain, under a passphrase; no secret in any message."""

import json
import stat

import pytest

from controller.keys import KeyStore, KeyStoreError, PassphraseError, keyfile
from protocol.keys import SoftwareKey

GOOD = "correct horse battery"
KEY = SoftwareKey.from_seed(b"\x11" * 32)


class Given:
    """Secrets a test gives."""

    def __init__(self, passphrase=GOOD):
        self.given = passphrase
        self.asked = []

    def passphrase(self, name):
        self.asked.append(name)
        return self.given

    def pin(self, token):
        raise AssertionError(token)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(keyfile, "COST", 10)


@pytest.fixture
def store(tmp_path):
    return KeyStore(tmp_path / "keys", Given())


def test_an_encrypted_key_signs_as_the_plain_one(store):
    path = store.add("root", KEY, GOOD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.seed.hex() not in path.read_text()
    assert store.signer("root").sign(b"text") == KEY.sign(b"text")


def test_its_public_half_is_shown_without_asking(store):
    store.add("root", KEY, GOOD)
    [stored] = store.stored()
    assert (stored.id, stored.form) == (KEY.public.id, "encrypted")
    assert store._secrets.asked == []


def test_two_files_of_one_key_and_passphrase_share_nothing_secret(store):
    one, two = (json.loads(store.add(name, KEY, GOOD).read_text()) for name in ("one", "two"))
    assert one["public"] == two["public"]
    assert one["sealed"] != two["sealed"]
    assert one["scrypt"]["salt"] != two["scrypt"]["salt"]
    assert one["nonce"] != two["nonce"]


def test_a_wrong_passphrase_is_named_and_not_quoted(tmp_path):
    KeyStore(tmp_path).add("root", KEY, GOOD)
    with pytest.raises(PassphraseError, match=r"wrong passphrase for root\.key") as caught:
        KeyStore(tmp_path, Given("wrong but long enough")).signer("root")
    assert "wrong but" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_without_a_passphrase_nothing_is_signed(tmp_path):
    KeyStore(tmp_path).add("root", KEY, GOOD)
    with pytest.raises(PassphraseError, match="encrypted"):
        KeyStore(tmp_path).signer("root")


@pytest.mark.parametrize("short", ["", "elevenchars"])
def test_a_short_passphrase_is_refused(store, short):
    with pytest.raises(PassphraseError, match="too short"):
        store.add("root", KEY, short)
    assert list(store.folder.glob("*")) == []


@pytest.mark.parametrize("field", ["public", "nonce", "sealed", "salt", "log2n"])
def test_any_altered_field_is_refused(store, field):
    path = store.add("root", KEY, GOOD)
    document = json.loads(path.read_text())
    place = document["scrypt"] if field in ("salt", "log2n") else document
    if field == "log2n":
        place[field] += 1
    elif field == "public":
        place[field] = keyfile.public_hex(SoftwareKey.from_seed(b"\x12" * 32).public)
    else:
        place[field] = ("0" if place[field][0] != "0" else "1") + place[field][1:]
    path.write_text(json.dumps(document))
    with pytest.raises(KeyStoreError):
        store.signer("root")


@pytest.mark.parametrize(
    "change",
    [
        {"fleet-key": 2}, {"fleet-key": "1"}, {"extra": 1}, {"sealed": None}, {"public": "a0"},
        {"public": "x"},
        {"scrypt": {"log2n": 30, "r": 8, "p": 1, "salt": "00" * 16}},
        {"scrypt": {"log2n": 17, "r": 8, "p": 9, "salt": "00" * 16}},
        {"scrypt": {"log2n": 17, "r": 8, "p": 1, "salt": ""}},
        {"pkcs11": {"library": "/x.so", "token": "t", "label": "l"}},
    ],
    ids=str,
)  # fmt: skip
def test_other_forms_are_refused_before_anything_is_computed(store, change):
    path = store.add("root", KEY, GOOD)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(KeyStoreError, match="no key file") as caught:
        store.stored()
    assert caught.value.__suppress_context__
    assert store._secrets.asked == []


@pytest.mark.parametrize(
    "contents", [b"{", b"{" * 100_000, b'{"a":' * 50_000, b"{\xff}", b'{"fleet-key": 1}', b"[]"]
)
def test_rubbish_is_no_key_file(store, contents):
    path = store.add("root", KEY, None)
    path.write_bytes(contents)
    with pytest.raises(KeyStoreError, match="no key file"):
        store.stored()


def test_protect_encrypts_and_decrypts_in_place(store):
    path = store.add("root", KEY, None)
    assert path.read_text().strip() == KEY.seed.hex()
    store.protect("root", GOOD)
    assert KEY.seed.hex() not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.protect("root", None)
    assert path.read_text().strip() == KEY.seed.hex()
    assert [item.name for item in path.parent.iterdir()] == ["root.key"]


@pytest.mark.parametrize("name", ["../root", "Root", "", "a/b", "-a", "a" * 64])
def test_a_name_that_could_leave_the_folder_is_refused(store, name):
    with pytest.raises(KeyStoreError, match="not a name"):
        store.add(name, KEY, None)
