"""The commands around keys, as people use them: at a terminal, and off it."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller.cli.passphrases import Asker
from controller.keys import KeyStore, PassphraseError, initialise, keyfile
from protocol import api
from tests.unit.desk.conftest import Terminal

GOOD = "correct horse battery"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(keyfile, "COST", 10)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{GOOD}\n")
    path.chmod(0o600)
    return path


def desk(tmp_path):
    return KeyStore(tmp_path / "config/fleet/keys")


class TestPassphrases:
    def test_a_file_is_read_once(self):
        reading, writing = os.pipe()
        os.write(writing, f"{GOOD}\nnot this\n".encode())
        os.close(writing)
        try:
            asker = Asker(Path(f"/dev/fd/{reading}"))
            assert [asker.passphrase("a"), asker.passphrase("b"), asker.pin("t")] == [GOOD] * 3
        finally:
            os.close(reading)

    def test_a_file_that_others_may_read_is_refused(self, secret):
        secret.chmod(0o644)
        with pytest.raises(PassphraseError, match="may be read by others") as caught:
            Asker(secret).passphrase("root")
        assert GOOD not in str(caught.value)

    @pytest.mark.parametrize("contents", [b"", b"\nsecond line", b"\xff\xfe\xfd and more"])
    def test_a_file_without_a_passphrase_is_refused(self, secret, contents):
        secret.write_bytes(contents)
        with pytest.raises(PassphraseError, match="holds no passphrase"):
            Asker(secret).new(plain=False)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(PassphraseError, match="No such file") as caught:
            Asker(tmp_path / "gone").passphrase("root")
        assert caught.value.where == str(tmp_path / "gone")

    def test_off_a_terminal_nobody_is_asked(self):
        with pytest.raises(PassphraseError, match="no terminal") as caught:
            Asker(None).passphrase("root")
        assert "--passphrase-file" in str(caught.value.remedy)
        assert Asker(None).new(plain=False) is None

    def test_at_a_terminal_a_new_one_is_asked_twice_and_an_old_one_once(self, monkeypatch):
        answers = [GOOD, GOOD, "other words here", GOOD, GOOD]
        monkeypatch.setattr("controller.cli.passphrases.at_terminal", lambda: True)
        monkeypatch.setattr("controller.cli.passphrases.getpass.getpass", lambda *_: answers.pop(0))
        assert Asker(None).new(plain=False) == GOOD
        with pytest.raises(PassphraseError, match="differ"):
            Asker(None).new(plain=False)
        asker = Asker(None)
        assert [asker.passphrase("root"), asker.passphrase("root")] == [GOOD] * 2
        assert answers == []


class TestInit:
    def test_with_a_passphrase_only_the_directors_key_is_plain(self, fleet, tmp_path, secret):
        made = fleet("keys", "init", "--passphrase-file", secret)
        assert made.code == 0
        assert "encrypted" in made.out
        assert made.err == ""
        assert {key.form for key in desk(tmp_path).stored()} == {"encrypted"}
        shown = fleet("keys", "show", "--json").json
        assert shown["roles"]["root"]["keys"][0]["form"] == "encrypted"
        assert GOOD not in made.out + made.err

    def test_without_one_it_says_what_that_means(self, fleet):
        assert "whoever reads the key files can sign" in fleet("keys", "init").err

    def test_protect_encrypts_what_is_there(self, fleet, tmp_path, secret):
        fleet("keys", "init")
        done = fleet("keys", "protect", "--new-passphrase-file", secret)
        assert (done.code, done.out) == (
            0,
            "release-2026a, root: encrypted\n".replace("2026", year(tmp_path)),
        )
        assert fleet("keys", "protect", "--plain").code == 3
        assert fleet("keys", "protect", "--plain", "--passphrase-file", secret).code == 0
        assert {key.form for key in desk(tmp_path).stored()} == {"plain"}

    @pytest.mark.parametrize(
        ("words", "what"),
        [
            (["--threshold", "root=2"], "one root key cannot give several signatures"),
            (["--threshold", "boss=2", "--root", "a.pub"], "'boss=2' is not a role and a number"),
            (["--release", "a.pub"], "--release without --root"),
            (["--root", "none.pub"], "cannot read none.pub"),
            (["--root", "a.pub", "--threshold", "root=2"], "2 signatures and have 1 keys"),
            (["--root", "a.pub", "--release", "a.pub"], "in roles root and release"),
        ],
    )
    def test_wrong_options_make_nothing(self, fleet, tmp_path, words, what):
        assert fleet("keys", "new", "a").code == 0
        done = fleet("keys", "init", *words)
        assert done.code == 3
        assert what in done.err
        assert [path.name for path in tmp_path.rglob("*.key")] == ["a.key"]
        assert list(tmp_path.rglob("*.cose")) == []

    def test_a_fleet_begins_once(self, fleet):
        fleet("keys", "init")
        fleet("keys", "new", "a")
        done = fleet("keys", "init", "--root", "a.pub")
        assert done.code == 3
        assert "has a root already" in done.err


def year(tmp_path):
    [path] = tmp_path.rglob("release-*.key")
    return re.search(r"\d{4}", path.name).group()


class TestSign:
    """`fleet sign` on the file that `fleet keys init --root` writes."""

    @pytest.fixture
    def waiting(self, fleet):
        for name in ("a", "b"):
            assert fleet("keys", "new", name).code == 0
        begun = fleet("keys", "init", "--root", "a.pub", "--root", "b.pub", "--threshold", "root=2")
        assert begun.code == 0, begun.err
        return Path("root-1.sign")

    def test_it_shows_every_key_and_what_is_hashed(self, fleet, waiting):
        done = fleet("sign", "--offline", "--yes", waiting, "--key", "a")
        root_keys = [key.id.hex() for key in desk(Path.cwd()).stored() if key.name in "ab"]
        assert all(kid in done.out for kid in root_keys)
        digest = fleet("sign", "--offline", "--yes", "--json", waiting, "--key", "b").json["documents"][0]
        assert digest["sha256"] in done.out
        assert [row["role"] for row in digest["keys"]] == ["root", "root", "release", "director"]
        assert len(digest["signatures"][0]["signed"]) == 2

    def test_nobody_at_the_terminal_signs_nothing(self, fleet, waiting):
        before = waiting.read_bytes()
        done = fleet("sign", "--offline", waiting)
        assert done.code == 5
        assert "nobody is here" in done.err
        assert waiting.read_bytes() == before

    @pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("y\n", 5), ("\n", 5), ("", 5)])
    def test_a_person_is_asked(self, fleet, waiting, monkeypatch, answer, code):
        before = waiting.read_bytes()
        terminal = Terminal(answer)
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr("controller.cli.sign.at_terminal", lambda: True)
        done = fleet("sign", "--offline", waiting)
        assert done.code == code
        assert "sign root 1? type yes:" in done.err
        assert (waiting.read_bytes() != before) == (code == 0)

    def test_a_key_of_no_role_and_a_key_that_is_not_there(self, fleet, waiting):
        fleet("keys", "new", "stranger")
        done = fleet("sign", "--offline", "--yes", waiting, "--key", "stranger")
        assert done.code == 3
        assert "may not sign root 1" in done.err
        done = fleet("sign", "--offline", "--yes", waiting, "--key", "nobody")
        assert done.code == 3
        assert "there is no nobody.key" in done.err

    def test_incomplete_it_goes_nowhere(self, fleet, waiting, tmp_path):
        fleet("sign", "--offline", "--yes", waiting, "--key", "a")
        done = fleet("sign", waiting)
        assert (done.code, "1 signature missing" in done.out) == (0, True)
        assert list(tmp_path.rglob("*.cose")) == []

    def test_complete_it_is_the_root_of_desk_and_controller(self, fleet, waiting, tmp_path):
        fleet("sign", "--offline", "--yes", waiting)
        assert fleet("sign", waiting, "--json").json["complete"]
        [one, two] = tmp_path.rglob("1.cose")
        assert one.read_bytes() == two.read_bytes()
        assert desk(tmp_path).root().roles["root"].threshold == 2

    @pytest.mark.parametrize("contents", [b"", b"rubbish", bytes(5000)])
    def test_a_damaged_file_is_named(self, fleet, waiting, contents):
        waiting.write_bytes(contents)
        done = fleet("sign", "--offline", "--yes", waiting)
        assert done.code == 3
        assert "no file to sign" in done.err
        assert "root-1.sign" in done.err

    def test_the_roots_of_another_fleet_are_refused(self, fleet, waiting, tmp_path):
        """Whoever signed under one chain never signs under another that looks like it."""
        fleet("sign", "--offline", "--yes", waiting)
        fleet("sign", waiting)
        home = tmp_path / "data/fleet/controller"
        begun = fleet(
            "keys", "rotate", "release", "--data", home, "--key", "stranger.pub", "--out", "next.sign"
        )
        assert begun.code == 3, "there is no stranger.pub yet"
        fleet("keys", "new", "stranger")
        (desk(tmp_path).folder / "a.key").rename(tmp_path / "a.away")
        begun = fleet(
            "keys", "rotate", "release", "--data", home, "--key", "stranger.pub", "--out", "next.sign"
        )
        assert "1 signature missing" in begun.out
        (tmp_path / "a.away").rename(desk(tmp_path).folder / "a.key")
        initialise(KeyStore(tmp_path / "elsewhere"), tmp_path / "elsewhere-home")
        known = desk(tmp_path).folder / "roots/1.cose"
        mine = known.read_bytes()
        known.write_bytes((tmp_path / "elsewhere/roots/1.cose").read_bytes())
        before = Path("next.sign").read_bytes()
        done = fleet("sign", "--offline", "--yes", "next.sign")
        assert (done.code, done.out) == (5, "")
        assert "root 1 is not the one known here" in done.err
        assert Path("next.sign").read_bytes() == before
        known.write_bytes(mine)
        assert fleet("sign", "--offline", "--yes", "next.sign").code == 0


class TestMemory:
    """What a machine has seen and signed, it holds against what it is shown."""

    @pytest.fixture
    def fleet_of_two(self, fleet, tmp_path):
        """Root 1 by two keys, one of which is away; the controller does not run."""
        for name in ("a", "b"):
            fleet("keys", "new", name)
        fleet("keys", "init", "--root", "a.pub", "--root", "b.pub", "--threshold", "root=2")
        fleet("sign", "--offline", "--yes", "root-1.sign")
        assert fleet("sign", "root-1.sign").code == 0
        home = tmp_path / "data/fleet/controller"

        def rotate(file):
            (desk(tmp_path).folder / "b.key").rename(tmp_path / "b.away")
            done = fleet("keys", "rotate", "release", "--data", home, "--out", file)
            (tmp_path / "b.away").rename(desk(tmp_path).folder / "b.key")
            assert "1 signature missing" in done.out
            return file

        return rotate

    def test_a_second_root_of_one_number_is_called_out(self, fleet, fleet_of_two):
        first, second = fleet_of_two("first.sign"), fleet_of_two("second.sign")
        said = fleet("sign", "--offline", "--yes", first, "--key", "b")
        assert (said.code, "was signed here before" in said.out) == (0, False)
        digest = re.search(r"sha256   ([0-9a-f]{64})", said.out).group(1)
        again = fleet("sign", "--offline", "--yes", second, "--key", "b")
        assert f"another root 2 was signed here before, sha256 {digest}" in again.out

    def test_a_file_from_the_past_is_refused(self, fleet, fleet_of_two):
        old, new = fleet_of_two("old.sign"), fleet_of_two("new.sign")
        fleet("sign", "--offline", "--yes", new)
        assert fleet("sign", new, "--data", "data/fleet/controller").code == 0
        done = fleet("sign", "--offline", "--yes", old)
        assert (done.code, done.out) == (5, "")
        assert "this file follows root 1, and root 2 is known here" in done.err


def test_at_a_real_terminal_the_passphrase_is_not_echoed(tmp_path, home):
    """`fleet keys new` in a pseudo-terminal, as a person sees it."""
    code = (
        "import os; os.login_tty(os.dup(0))\n"
        "from controller.keys import keyfile; keyfile.COST = 10\n"
        "from controller.cli.entry import main; main()"
    )
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "keys", "new", "root-alice"], stdin=follower, stdout=follower,
        stderr=follower, cwd=tmp_path,
    )  # fmt: skip
    os.close(follower)
    said = b""
    try:
        for prompt in (b"new passphrase: ", b"the same again: "):
            while prompt not in said:
                said += os.read(leader, 1024)
            os.write(leader, f"{GOOD}\n".encode())
        while b"carry it" not in said:
            said += os.read(leader, 1024)
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(leader)
    assert GOOD.encode() not in said
    assert KeyStore(home / "config/fleet/keys").stored()[0].form == "encrypted"


class TestUnreachable:
    """Signatures that people gave are not lost because the controller is away."""

    def test_what_could_not_be_published_is_kept(self, fleet, controller, tmp_path):
        fleet("keys", "init")
        info = api.Info(version="1", broker="mqtt://b", broker_connected=True, root=1, director="00")
        controller.on("GET", "/api/v1/info", info)
        controller.on("GET", "/api/v1/releases", api.ReleasePage(items=[]))
        controller.problem("POST", "/api/v1/roots", 503, title="the disk is full", exit_code=1)
        done = fleet("keys", "rotate", "release")
        assert done.code == 1
        assert "the disk is full" in done.err
        assert "fleet sign root-2.sign" in done.err
        assert desk(tmp_path).root().version == 1
        sent = []

        def take(request):
            sent.append(api.RootUpload.model_validate_json(request.content))
            return info

        controller.on("POST", "/api/v1/roots", take)
        assert fleet("sign", "root-2.sign").code == 0
        assert desk(tmp_path).root().version == 2
        assert len(sent) == 1
