"""The server process: broker, use cases and HTTP API as one foreground process tree."""

import contextlib
import fcntl
import ipaddress
import json
import logging
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from controller.api import make_app
from controller.delivery import Access, Broker, Link
from controller.delivery.access import run_reload
from controller.delivery.files import write
from controller.delivery.link import broker_address
from controller.director_keys import DirectorKeys
from controller.keys.keyfile import NO_SECRETS, Secrets
from controller.keys.store import DIRECTOR, ROOTS, chain_of, read_roots
from controller.service import Context, Service
from controller.service.tokens import make_secret
from controller.store import BlobStore, Store
from protocol import topics
from protocol.errors import InputError
from protocol.keys import Signer
from protocol.trust import read_root

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between looks at what lags."""


@dataclass(frozen=True)
class Tls:
    """PEM files: the certificate with its chain, and its private key."""

    certificate: Path
    key: Path

    def der(self) -> bytes:
        """The certificate itself.

        Raises:
            InputError: the file holds none.
        """
        try:
            return x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_bytes(Encoding.DER)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the certificate cannot be read: {getattr(error, 'strerror', None) or 'it is not PEM'}",
                where=str(self.certificate),
                remedy="--tls-cert takes the PEM certificate, followed by its chain",
            ) from error


@dataclass(frozen=True)
class ServerInfo:
    """Where a server that is ready can be reached."""

    url: str
    broker: str
    data: Path


def run_server(  # noqa: PLR0913 - the options of `fleet up`
    data: Path,
    *,
    port: int = 7400,
    mqtt_port: int = 7401,
    broker: str | None = None,
    host: str = "127.0.0.1",
    tls: Tls | None = None,
    public_url: str | None = None,
    keys: Secrets = NO_SECRETS,
    mqtt_tls: bool = False,
    mqtt_host: str = "127.0.0.1",
    broker_reload: str | None = None,
    on_ready: Callable[[ServerInfo], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM; the embedded broker ends with it.

    Args:
        data: Folder of keys, database, blobs and the broker's storage.
        port: Of the HTTP API.
        mqtt_port: Of the embedded broker.
        broker: Another broker to use instead, `mqtt://host:port`, or `mqtts://host:port` with certificates.
        host: Address to listen on.
        tls: Certificate of the HTTP API; needed on any address that others reach.
        public_url: How devices and other desks reach the API, if not by `host` and `port`.
        keys: Gives the passphrase or PIN of the director's key, if it has one.
        mqtt_tls: Whether the embedded broker asks for certificates.
        mqtt_host: Address for the embedded broker to listen on; others than the loopback need `mqtt_tls`.
        broker_reload: Command that makes another broker read the folder `access` again.
        on_ready: Told when both answer.

    Raises:
        InputError: no keys in `data`, or not to be unlocked; another controller uses it, a port is taken, or
            the certificate cannot be used.
        UnreachableError: the given broker does not answer.
    """
    if tls is None and not _is_loopback(host):
        raise InputError(
            f"{host} is not this machine alone, and tokens must not cross a network in the clear",
            remedy="fleet up --host … --tls-cert FILE --tls-key FILE",
        )
    if not mqtt_tls and not _is_loopback(mqtt_host):
        raise InputError(
            f"{mqtt_host} is not this machine alone, and devices must show certificates across a network",
            remedy="fleet up --mqtt-host … --mqtt-tls",
        )
    directors = DirectorKeys(data, keys)
    director, roots = _keys(data, directors)
    token = _secret(data / "token", make_secret)
    exchange = _secret(data / "x25519.key", lambda: X25519PrivateKey.generate().private_bytes_raw().hex())
    url = public_url or f"{'http' if tls is None else 'https'}://{host}:{port}"
    listener = _listen(host, port)
    store = Store(f"sqlite:///{data / 'fleet.db'}")
    with contextlib.ExitStack() as stack:
        stack.callback(store.close)
        stack.callback(listener.close)
        stack.enter_context(_alone(data))
        store.migrate()
        embedded = _Embedded(mqtt_port, mqtt_host, urlsplit(url).hostname, mqtt_tls)
        access, broker = _reach(stack, data, broker or embedded, broker_reload)
        service: Service | None = None

        def handle(device: str, leaf: str, payload: bytes) -> None:
            if service is not None:
                service.intake.handle(device, leaf, payload)

        def idle() -> None:
            if service is not None:
                service.intake.idle()

        def connected(kept: bool) -> None:  # noqa: FBT001 - the link's one word on the broker
            if service is not None:
                service.intake.broker_connected(kept=kept)

        link = Link(broker, handle, idle, lambda: topics.root(max(roots)), connected,
                    tls=access.context() if broker.startswith("mqtts://") else None)  # fmt: skip
        service = Service(
            Context(
                store=store,
                blobs=BlobStore(data / "blobs"),
                publisher=link,
                access=access,
                clock=lambda: int(time.time()),
                director=director,
                exchange_key=bytes.fromhex(exchange),
                roots=roots,
                keep_root=lambda number, signed: write(data / "roots" / f"{number}.cose", signed),
                controller_url=url,
                certificate=tls.der() if tls else None,
                directors=directors,
            )
        )
        service.identities.refresh()
        stack.callback(link.stop)
        link.start()
        service.identities.cut_off_all()
        stack.enter_context(_ticking(service, access))
        _announce(data, url, broker, token, tls)
        stack.callback((data / "controller.json").unlink, missing_ok=True)
        on_ready(ServerInfo(url, broker, data))
        _serve(service, token, listener, tls)


@dataclass(frozen=True)
class _Embedded:
    """The broker that the controller brings along."""

    port: int
    host: str
    public: str | None
    tls: bool


def _reach(
    stack: contextlib.ExitStack, data: Path, wanted: str | _Embedded, reload: str | None
) -> tuple[Access, str]:
    """Who may connect to the broker, and its address; the embedded one is started."""
    now = datetime.now(UTC)
    if isinstance(wanted, str):
        hosts = {broker_address(wanted)[0]} if wanted.startswith("mqtts://") else set()
        access = Access(data / "access", hosts, now)
        stack.callback(access.close)
        if reload is not None:
            access.reload = partial(run_reload, reload)
        return access, wanted
    public = wanted.host if _is_loopback(wanted.host) else wanted.public or wanted.host
    access = Access(data / "access", {public, "127.0.0.1", "localhost"} if wanted.tls else (), now)
    stack.callback(access.close)
    broker = Broker(data / "broker", wanted.port, wanted.host, public, access.folder if wanted.tls else None)
    stack.callback(broker.stop)
    broker.start()
    access.reload = broker.reload
    return access, broker.url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keys(data: Path, directors: DirectorKeys) -> tuple[Signer, dict[int, bytes]]:
    """The director's key and the signed roots."""
    roots = read_roots(data / ROOTS)
    if not roots:
        raise InputError("the controller has no keys", where=str(data), remedy="fleet keys init")
    root = read_root(chain_of(roots)[-1])
    key = directors.of(root)
    if key is None:
        present = (data / DIRECTOR).exists()
        raise InputError(
            f"root {root.version} does not list the director's key that is here"
            if present
            else "the director's key is gone",
            where=str(data / DIRECTOR),
            remedy=f"take the key from a backup, or make another: fleet keys rotate director --data {data}",
        )
    directors.settle(root)
    return key, roots


def _secret(path: Path, make: Callable[[], str]) -> str:
    """The text of a secret file, made at the first start."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    write(path, make().encode(), 0o600)
    return path.read_text().strip()


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data folder: two controllers would sign different assignments under one generation."""
    with (data / "lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another controller runs on this data",
                where=str(data),
                remedy="stop it, or use another folder: fleet up --data DIR",
            ) from error
        yield


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"port {port} is taken, the controller cannot listen",
            where=f"{host}:{port}",
            remedy="fleet up --port PORT, or stop the other program",
        ) from error
    return listener


def _announce(data: Path, url: str, broker: str, token: str, tls: Tls | None) -> None:
    """Let this user's commands find the controller; they trust its very certificate."""
    state = {"pid": os.getpid(), "controller": url, "broker": broker}
    write(data / "controller.json", json.dumps(state).encode())
    fields = {"controller": url, "token": token}
    if tls is not None:
        fields["ca"] = str(tls.certificate.resolve())
    client = platformdirs.user_config_path("fleet", appauthor=False) / "client.json"
    write(client, json.dumps(fields).encode(), 0o600)


@contextlib.contextmanager
def _ticking(service: Service, access: Access) -> Iterator[None]:
    """Look at what lags every `TICK` seconds."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(TICK):
            try:
                service.intake.tick()
                access.renew(datetime.now(UTC))
                service.applications.tick()
            except Exception:
                # A full disk must not end what renews assignments once there is room again.
                log.exception("what lags was not looked at")

    thread = threading.Thread(target=work, name="tick", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def _serve(service: Service, token: str, listener: socket.socket, tls: Tls | None) -> None:
    config = uvicorn.Config(
        make_app(service, token), log_level="warning", access_log=False, timeout_graceful_shutdown=2,
        ssl_certfile=tls.certificate if tls else None, ssl_keyfile=tls.key if tls else None,
    )  # fmt: skip
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"the certificate and its key cannot be used: {error.strerror or error}",
            where=f"{tls.certificate}, {tls.key}" if tls else None,
            remedy="--tls-cert takes the PEM chain, --tls-key its private key without a passphrase",
        ) from error
    server = uvicorn.Server(config)
    # uvicorn raises the signal again after its shutdown; it was asked for, so it ends well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        server.run(sockets=[listener])
    finally:
        service.context.close()
