"""The controller behind TLS, people with tokens, and no secret where others could read it."""

import datetime as dt
import ipaddress
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scripts.demonstration.fleet import BIN, Fleet, wait_until


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for the loopback, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert, private


class Person:
    """A user with a configuration of their own."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.env = fleet.env | {"XDG_CONFIG_HOME": str(fleet.folder / name)}

    def fleet(self, *words: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "fleet"), *map(str, words)]
        return subprocess.run(command, env=self.env, input=stdin, capture_output=True, text=True, check=False)


class TestPeople:
    """One fleet tells one story, in order."""

    @pytest.fixture(scope="class")
    @classmethod
    def fleet(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
        folder = tmp_path_factory.mktemp("people")
        fleet = Fleet(folder, tls=certificate(folder, "controller"))
        try:
            fleet.up()
            yield fleet
        finally:
            fleet.down()

    def test_the_owner_needs_no_options(self, fleet: Fleet) -> None:
        assert fleet.json("status")["online"] == 0
        stored = json.loads((fleet.folder / "config/fleet/client.json").read_text())
        assert stored["controller"].startswith("https://")

    def test_a_device_joins_over_tls(self, fleet: Fleet) -> None:
        fleet.join(1, "farm-a")
        wait_until(lambda: fleet.json("status")["online"] == 1, "the device is online")

    def test_a_person_logs_in_and_may_what_the_role_says(self, fleet: Fleet) -> None:
        token = fleet.folder / "alice.token"
        fleet.fleet("token", "create", "alice", "--role", "viewer", "--out", token, quiet=True)
        assert token.stat().st_mode & 0o777 == 0o600
        alice = Person(fleet, "alice")
        url, cert = f"https://127.0.0.1:{fleet.port}", fleet.folder / "controller.pem"
        done = alice.fleet("login", url, "--ca", cert, "--token-file", "-", stdin=token.read_text())
        assert done.returncode == 0, done.stderr
        assert "as alice, viewer" in done.stdout
        assert alice.fleet("status").returncode == 0
        refused = alice.fleet("group", "add", "farm-b", "dev-1")
        assert refused.returncode == 5
        assert "alice is viewer, this takes operator" in refused.stderr
        fleet.fleet("token", "revoke", "alice", quiet=True)
        refused = alice.fleet("status")
        assert refused.returncode == 5
        assert "fleet login" in refused.stderr

    def test_another_certificate_is_not_trusted(self, fleet: Fleet) -> None:
        other, _ = certificate(fleet.folder, "mallory")
        token = (fleet.folder / "data/fleet/controller/token").read_text()
        bob = Person(fleet, "bob")
        url = f"https://127.0.0.1:{fleet.port}"
        for options in (["--ca", other], []):
            done = bob.fleet("login", url, *options, "--token-file", "-", stdin=token)
            assert done.returncode == 4, done.stderr
            assert "certificate" in done.stderr.lower()
        assert not (fleet.folder / "bob/fleet/client.json").exists()

    def test_the_log_of_all_that_is_verified(self, fleet: Fleet) -> None:
        first = fleet.json("audit", "verify")
        assert first["entries"] >= 4
        listed = [(entry["who"], entry["action"]) for entry in fleet.json("audit", "list")]
        assert ("owner", "enroll") in listed
        assert ("owner", "token") in listed
        assert fleet.json("audit", "verify")["seen_before"] == first["entries"]

    def test_no_secret_is_in_logs_answers_or_arguments(self, fleet: Fleet) -> None:
        home = fleet.folder / "data/fleet"
        secrets = {
            "owner's token": (home / "controller/token").read_text().strip(),
            "alice's token": (fleet.folder / "alice.token").read_text().strip(),
            "director's key": (home / "controller/director.key").read_text().strip(),
            "exchange key": (home / "controller/x25519.key").read_text().strip(),
            "root key": (fleet.folder / "config/fleet/keys/root.key").read_text().strip(),
            "one-time token": one_time_token(fleet.folder / "dev-1.invite"),
        }
        assert all(len(secret) > 20 for secret in secrets.values())
        seen = [path.read_bytes() for path in fleet.folder.glob("*.log")]
        assert len(seen) >= 2
        for words in (["status"], ["devices"], ["keys", "show"], ["token", "list"], ["audit", "list"]):
            for flags in ([], ["--json"], ["--debug"]):
                done = subprocess.run(
                    [BIN / "fleet", *words, *flags], env=fleet.env, capture_output=True, check=True
                )
                seen += [done.stdout, done.stderr]
        wrong = {"FLEET_CONTROLLER": f"https://127.0.0.1:{fleet.port}", "FLEET_TOKEN": secrets["root key"]}
        failed = subprocess.run(
            [BIN / "fleet", "status", "--debug"], env=fleet.env | wrong, capture_output=True, check=False
        )
        assert failed.returncode != 0
        seen += [failed.stdout, failed.stderr, *arguments_of_processes()]
        for name, secret in secrets.items():
            assert not any(secret.encode() in text for text in seen), name


def one_time_token(invitation: Path) -> str:
    found = re.search(rb"[A-Za-z0-9_-]{43}", invitation.read_bytes())
    assert found
    return found[0].decode()


def arguments_of_processes() -> list[bytes]:
    """As every user of this machine can see them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes())
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "tokens must not cross a network in the clear"),  # noqa: S104 - what is refused
        (["--tls-cert", "nowhere.pem"], "a certificate needs its key"),
        (["--tls-cert", "nowhere.pem", "--tls-key", "nowhere.key"], "the certificate cannot be read"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: list[str], said: str) -> None:
    fleet = Fleet(tmp_path)
    fleet.fleet("keys", "init", quiet=True)
    done = subprocess.run(
        [BIN / "fleet", "up", "--port", str(fleet.port), "--mqtt-port", str(fleet.mqtt_port), *options],
        env=fleet.env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 3
    assert said in done.stderr


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, tls=(certificate(tmp_path, "one")[0], certificate(tmp_path, "two")[1]))
    fleet.fleet("keys", "init", quiet=True)
    done = subprocess.run(
        fleet.server_command(), env=fleet.env, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 3
    assert "the certificate and its key cannot be used" in done.stderr
