"""Brokers as `deploy/` configures them, and clients that show certificates."""

import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.enums import CallbackAPIVersion

from controller.delivery.access import Access
from controller.delivery.authority import LIFETIME, app_user, key_pem
from tests.support.brokers import free_port
from tests.support.director import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"


class SecuredBroker:
    """A broker with the configuration of `deploy/`, its paths and ports replaced."""

    def __init__(self, kind: str, folder: Path, access: Path, port: int | None = None) -> None:
        self.kind, self.folder, self.port = kind, folder, port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "mosquitto":
            text = (DEPLOY / "mosquitto/fleet-tls.conf").read_text()
            text = text.replace("/etc/mosquitto/fleet", str(access)).replace(
                "/var/lib/mosquitto", str(folder)
            )
            # As root it would change to a user who cannot read here.
            text = "user root\n" + text.replace("listener 8883", f"listener {self.port} 127.0.0.1")
            program = "/usr/sbin/mosquitto"
        else:
            text = (DEPLOY / "nats/fleet.conf").read_text()
            text = text.replace("/etc/nats/fleet", str(access)).replace("/var/lib/nats", str(folder))
            # NATS reads what is included beside the configuration.
            (folder / "fleet").symlink_to(access)
            text = text.replace("port: 4222", f"port: {free_port()}").replace("8883", str(self.port))
            program = str(Path(sys.executable).parent / "nats-server")
        (folder / "broker.conf").write_text(text)
        self._log = (folder / "broker.log").open("ab")
        self._process = subprocess.Popen(
            [program, "-c", folder / "broker.conf"], stdout=self._log, stderr=self._log
        )
        wait_until(self._listens, f"the broker listens; see {folder / 'broker.log'}")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


def make_request(name: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A key, and the request for its certificate in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return key, request.public_bytes(Encoding.DER)


class Holder:
    """Who holds a certificate of the authority: the device of that key, or, without one, an application."""

    def __init__(self, access: Access, name: str, public_key: bytes | None, folder: Path) -> None:
        key, request = make_request(name)
        now = datetime.now(UTC)
        if public_key is None:
            self.name = app_user(name)
            self.certificate = access.authority.application(request, name, now, LIFETIME)
        else:
            self.name = name
            self.certificate = access.authority.device(request, name, public_key, now)
        self.file = folder / f"{self.certificate.serial_number:x}.pem"
        self.file.write_bytes(self.certificate.public_bytes(Encoding.PEM) + key_pem(key))
        self.tls = ssl.create_default_context(cafile=access.folder / "ca.pem")
        self.tls.load_cert_chain(self.file)


class Client:
    """An MQTT client with a certificate, or none: what it was told, and whether it is connected."""

    def __init__(self, port: int, name: str, tls: ssl.SSLContext | None) -> None:
        self.seen: dict[str, bytes] = {}
        self.connected = threading.Event()
        self.lost = threading.Event()
        self._acknowledged: set[int] = set()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, name)
        if tls is not None:
            client.tls_set_context(tls)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._on_connect
        client.on_disconnect = lambda *_: self.lost.set()
        client.on_message = lambda _c, _d, message: self.seen.update({message.topic: message.payload})
        client.on_subscribe = lambda _c, _d, mid, *_: self._acknowledged.add(mid)
        client.on_publish = lambda _c, _d, mid, *_: self._acknowledged.add(mid)
        self.name = name
        self._client, self._port = client, port

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected()

    def will(self, name: str, payload: bytes) -> None:
        """What the broker is to publish, retained, when the connection breaks."""
        self._client.will_set(name, payload, 1, retain=True)

    def break_off(self) -> None:
        """Lose the connection without a word."""
        if isinstance(sock := self._client.socket(), socket.socket):
            sock.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: object, _p: object) -> None:
        if not reason.is_failure:  # type: ignore[attr-defined]  # paho's ReasonCode
            self.connected.set()

    def connect(self) -> Self:
        """Begin; what becomes of it is seen in `connected`."""
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def joined(self) -> Self:
        """Connect, and be connected."""
        self.connect()
        assert self.connected.wait(20)
        return self

    def subscribe(self, *names: str) -> None:
        """Subscribe to each by itself, and wait for the answers, whatever they are."""
        for name in names:
            self._await(self._client.subscribe(name, 0)[1], f"SUBACK of {name}")

    def publish(self, name: str, payload: bytes, *, retain: bool = True) -> None:
        """Publish, and wait for the acknowledgement: brokers give it for what they drop as well."""
        self._await(self._client.publish(name, payload, qos=1, retain=retain).mid, f"PUBACK of {name}")

    def _await(self, mid: int | None, what: str) -> None:
        wait_until(lambda: mid in self._acknowledged or self.lost.is_set(), what)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.reinitialise()
