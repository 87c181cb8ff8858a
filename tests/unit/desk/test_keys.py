"""Key files: modes, no overwriting, no secrets in messages."""

import json
import stat

import pytest

from controller.keys import KeysExistError, KeyStore, KeyStoreError, MissingKeyError, initialise
from protocol.trust import Verifier, read_root

NOW = 1_790_000_000


@pytest.fixture
def store(tmp_path):
    return KeyStore(tmp_path / "desk")


def test_keys_are_made_private_and_the_root_is_sound(store, tmp_path):
    root = initialise(store, tmp_path / "home", now=NOW)
    secret = [store.folder / "root.key", store.folder / "release-2026a.key", tmp_path / "home/director.key"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in secret] == [0o600] * 3
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    signed = (tmp_path / "home/roots/1.cose").read_bytes()
    assert signed == (store.folder / "roots/1.cose").read_bytes()
    assert Verifier.enrol("dev-1", signed).root == root
    assert abs(root.expires - NOW - 10 * 365.25 * 86400) < 1


def test_each_key_is_listed_for_its_role_only(store, tmp_path):
    root = initialise(store, tmp_path / "home", now=NOW)
    assert {key.name: key.roles for key in store.stored()} == {
        "root": ("root",),
        "release-2026a": ("release",),
    }
    [(name, signer)] = store.release_signers()
    assert name == "release-2026a"
    assert root.roles["release"].keys == (signer.public.id,)


@pytest.mark.parametrize("there", ["root.key", "roots/1.cose"])
def test_nothing_is_overwritten_or_left_half_done(store, tmp_path, there):
    (store.folder / there).parent.mkdir(parents=True)
    (store.folder / there).write_text("precious")
    with pytest.raises(KeysExistError, match="never overwritten"):
        initialise(store, tmp_path / "home")
    assert [path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*.*")] == [there]
    assert (store.folder / there).read_text() == "precious"
    assert not (tmp_path / "home").exists()


def test_when_the_controllers_folder_cannot_be_written_no_key_is_left(store, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyStoreError, match="cannot write"):
        initialise(store, tmp_path / "file" / "home")
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_a_key_that_others_may_read_is_refused(store, tmp_path):
    initialise(store, tmp_path / "home")
    path = store.folder / "root.key"
    path.chmod(0o644)
    with pytest.raises(KeyStoreError, match="may be read by others"):
        store.signer("root")


@pytest.mark.parametrize("contents", ["abc123", "zz" * 32, ""])
def test_a_damaged_key_is_named_and_not_quoted(store, tmp_path, contents):
    initialise(store, tmp_path / "home")
    path = store.folder / "root.key"
    path.write_text(contents)
    with pytest.raises(KeyStoreError) as caught:
        store.signer("root")
    assert "root.key" in str(caught.value)
    assert not contents or contents not in str(caught.value)
    assert caught.value.__suppress_context__


def test_without_keys_the_remedy_is_to_make_them(store):
    with pytest.raises(MissingKeyError) as caught:
        store.release_signers()
    assert caught.value.remedy == "fleet keys init"


def test_a_desk_without_its_release_key_says_so(store, tmp_path):
    initialise(store, tmp_path / "home", now=NOW)
    (store.folder / "release-2026a.key").unlink()
    with pytest.raises(MissingKeyError, match="0 of its release keys"):
        store.release_signers()


def test_the_commands(fleet, home):
    made = fleet("keys", "init", "--json")
    assert made.code == 0
    assert set(made.json["roles"]) == {"root", "release", "director"}
    assert (home / "data/fleet/controller/director.key").is_file()
    shown = fleet("keys", "show", "--json").json
    here = {role: value["keys"][0]["here"] for role, value in shown["roles"].items()}
    assert here["root"] == "root"
    assert here["release"].startswith("release-")
    assert here["director"] is None
    again = fleet("keys", "init")
    assert again.code == 3
    assert "never overwritten" in again.err
    human = fleet("keys", "show").out
    assert "1 of 1" in human
    assert "not on this desk" in human
    seeds = [path.read_text().strip() for path in home.rglob("*.key")]
    assert len(seeds) == 3
    assert not any(seed in made.out + again.err + human + json.dumps(shown) for seed in seeds)


def test_the_director_may_live_elsewhere(fleet, tmp_path):
    assert fleet("keys", "init", "--data", tmp_path / "server", "--years", "1").code == 0
    root = read_root((tmp_path / "server/roots/1.cose").read_bytes())
    assert root.expires - root.issued < 366 * 86400
