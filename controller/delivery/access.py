"""Who may connect to the broker: the files that brokers read, and how one that lost its place is cut off."""

import logging
import secrets
import shlex
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.enums import CallbackAPIVersion

from controller.delivery.authority import Authority, key_pem, renewal_time
from controller.delivery.files import write
from controller.delivery.permissions import mosquitto_acl, nats_users
from protocol.errors import FleetError, InputError

log = logging.getLogger(__name__)

AUTHORITY, SERVER, SERVER_KEY, CLIENT = "ca.pem", "server.pem", "server.key", "controller.pem"
REVOKED, MOSQUITTO_ACL, NATS_USERS = "revoked.pem", "acl", "nats-users.conf"
_KICKS = (0.5, 2.0, 5.0, 10.0)
"""Seconds before each takeover of a revoked session: a broker that is told to read its files
again may admit its holder once more before it has."""
_TIMEOUT, _RELOAD = 5.0, 30.0


class Access:
    """The folder of certificates and lists.

    Args:
        folder: Where they lie; made if need be.
        hosts: Names and addresses of the broker, for its certificate; none if it asks nobody for one.
        now: The moment.

    Attributes:
        reload: Makes the broker read the folder again; set once there is a broker.

    Raises:
        InputError: the authority's files are damaged.
    """

    def __init__(self, folder: Path, hosts: Iterable[str], now: datetime) -> None:
        self.folder = folder
        self.reload: Callable[[], None] = lambda: None
        self._hosts = sorted(set(hosts))
        self._ending = threading.Event()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.authority = self._load(now)
        self._tls: ssl.SSLContext | None = None
        self._due = now
        if self._hosts:
            self._own(now)
            if not (folder / NATS_USERS).exists():
                self.write({}, {}, (), now)

    def _load(self, now: datetime) -> Authority:
        key, certificate = self.folder / "ca.key", self.folder / AUTHORITY
        if not certificate.exists():
            made = Authority.create(now)
            write(key, made.key_pem, 0o600)
            write(certificate, made.pem)
            return made
        try:
            return Authority.from_pem(key.read_bytes(), certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(
                f"the authority of the devices' certificates cannot be read: {error}",
                where=str(key),
                remedy="put ca.key and ca.pem back from a backup; without them every device is enrolled anew",
            ) from error

    def _own(self, now: datetime) -> None:
        """Make broker's and controller's certificates if they are missing, due, or of another host."""
        server = self.folder / SERVER
        if server.exists() and (self.folder / CLIENT).exists():
            found = x509.load_pem_x509_certificate(server.read_bytes())
            self._due = renewal_time(found)
            if now < self._due and _hosts_of(found) == self._hosts:
                return
        key = ec.generate_private_key(ec.SECP256R1())
        client = self.authority.controller(key.public_key(), now)
        write(self.folder / CLIENT, client.public_bytes(Encoding.PEM) + key_pem(key), 0o600)
        key = ec.generate_private_key(ec.SECP256R1())
        made = self.authority.server(key.public_key(), self._hosts, now)
        write(self.folder / SERVER_KEY, key_pem(key), 0o600)
        write(server, made.public_bytes(Encoding.PEM))
        self._due = renewal_time(made)

    def renew(self, now: datetime) -> None:
        """Renew broker's and controller's certificates when two thirds of their lives have passed."""
        if self._hosts and now >= self._due:
            self._own(now)
            if self._tls is not None:
                self._tls.load_cert_chain(self.folder / CLIENT)
            self.reload()

    def write(
        self,
        devices: Mapping[str, bytes],
        apps: Mapping[str, str | None],
        revoked: Iterable[int],
        now: datetime,
    ) -> None:
        """Write down who may connect, and tell the broker.

        Args:
            devices: Name to X25519 public key, of those that claimed their places.
            apps: Application to the URI of its certificate; None if it may no longer do anything.
            revoked: Serial numbers of certificates that hold no longer.
            now: The moment.

        Raises:
            FleetError: the broker could not be told.
        """
        if not self._hosts:
            return
        write(self.folder / REVOKED, self.authority.revocations(revoked, now))
        write(self.folder / MOSQUITTO_ACL, mosquitto_acl(apps).encode(), 0o600)
        # The last: deploy/systemd watches this one.
        write(self.folder / NATS_USERS, nats_users(devices, apps).encode(), 0o600)
        self.reload()

    def context(self) -> ssl.SSLContext:
        """TLS as the controller: knows this authority only, and shows its own certificate.

        Connections made after `renew` show the new one.
        """
        made = ssl.create_default_context(cafile=self.folder / AUTHORITY)
        made.load_cert_chain(self.folder / CLIENT)
        self._tls = made
        return made

    def cut_off(self, users: Collection[str], url: str, now: datetime) -> None:
        """End the live sessions of those whose certificates (by common name) were revoked, after `write`.

        A second connection with the same client id ends the first on any MQTT broker. Brokers that end
        sessions by themselves when they read their files (NATS) just refuse it.
        """
        if not self._hosts or not users:
            return

        def work() -> None:
            for seconds in _KICKS:
                if self._ending.wait(seconds):
                    return
                for user in users:
                    try:
                        self._take_over(user, url, now)
                    except (OSError, ValueError) as error:
                        log.info("the session of %s was not taken over: %s", user, error)

        threading.Thread(target=work, name="cut-off", daemon=True).start()

    def _take_over(self, user: str, url: str, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        ).public_bytes(Encoding.DER)
        # Made for this moment, so that it need not be revoked in turn; and of no key that anybody has.
        nobody = secrets.token_bytes(32)
        certificate = self.authority.device(request, user, nobody, now, lifetime=timedelta(minutes=5))
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(certificate.public_bytes(Encoding.PEM) + key_pem(key))
            file.flush()
            tls = ssl.create_default_context(cafile=self.folder / AUTHORITY)
            tls.load_cert_chain(file.name)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, user)
        client.tls_set_context(tls)
        client.connect_timeout = _TIMEOUT
        parts = urlsplit(url)
        client.on_connect = lambda connected, *_: connected.disconnect()
        client.connect(parts.hostname or "", parts.port or 8883)
        try:
            while client.loop(timeout=0.5) == mqtt.MQTT_ERR_SUCCESS and not self._ending.is_set():
                pass
        finally:
            client.reinitialise()

    def close(self) -> None:
        """Let go of takeovers that wait."""
        self._ending.set()


def _hosts_of(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(str(name.value) for name in names)


def run_reload(command: str) -> None:
    """Run what makes a broker read its files again.

    Raises:
        FleetError: it could not be run, failed, or took longer than half a minute.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            shlex.split(command), capture_output=True, text=True, timeout=_RELOAD, check=False
        )
        why = done.stderr.strip()[-200:] or f"exit code {done.returncode}" if done.returncode else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = str(error)
    if why is not None:
        raise FleetError(
            f"the change is stored, but the broker was not told: {why}",
            where=command,
            remedy="run the command of --broker-reload by hand, and see why it fails",
        )
