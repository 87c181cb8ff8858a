"""The controller's connection to the broker."""

import logging
import queue
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from controller.delivery.authority import CONTROLLER
from protocol import topics
from protocol.errors import InputError, UnreachableError

log = logging.getLogger(__name__)

LISTENED = ("reported", "presence", "telemetry", "nonce", "result")
MAX_WAITING = 64 << 20
"""Bytes of messages that may wait to be handled; a device that floods must not fill the memory."""
MARKER_WAIT = 2.0
"""Seconds after connecting in which a broker that kept its storage gives the marker."""

Handler = Callable[[str, str, bytes], None]
"""Takes (device, leaf, payload)."""


def broker_address(url: str) -> tuple[str, int]:
    """Host and port of `mqtt://host[:port]` or `mqtts://host[:port]`.

    Raises:
        InputError: it is not such an address.
    """
    try:
        parts = urlsplit(url)
        usual = {"mqtt": 1883, "mqtts": 8883}[parts.scheme]
        port = parts.port or usual
    except (ValueError, KeyError):
        parts, port = urlsplit(""), 0
    if not parts.hostname:
        raise InputError(
            f"{url!r} is not a broker's address",
            remedy="write it like mqtt://127.0.0.1:1883, or mqtts://HOST:8883 with certificates",
        )
    return parts.hostname, port


class Link:
    """Publishes, and hands what devices say to one thread.

    Args:
        url: `mqtt://host:port`, or `mqtts://host:port`.
        handle: Called for each message of a device, one at a time.
        idle: Called when no further message waits.
        marker: Gives a topic that a broker which kept its storage retains.
        connected: Called after each (re)connection, with whether the marker was still there.
        tls: Of `mqtts`.
    """

    def __init__(  # noqa: PLR0913 - what it tells, and whom
        self,
        url: str,
        handle: Handler,
        idle: Callable[[], None],
        marker: Callable[[], str],
        connected: Callable[[bool], None],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._address = broker_address(url)
        self._handle = handle
        self._idle = idle
        self._marker = marker
        self._connected = connected
        self._inbox: queue.SimpleQueue[tuple[str, str, bytes] | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lost = False
        self._count = threading.Lock()
        self._marker_due: float | None = None
        self._worker = threading.Thread(target=self._work, name="broker-inbox", daemon=True)
        # Where a broker does not tie the client id to the certificate (NATS), a device that knew it could end
        # this session again and again.
        secret = f"-{secrets.token_hex(8)}" if tls is not None else ""
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, CONTROLLER + secret)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 15)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_socket_open = _no_delay

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers."""
        return self._client.is_connected()

    def start(self) -> None:
        """Connect for the first time.

        Raises:
            UnreachableError: nobody listens there.
        """
        try:
            self._client.connect(*self._address, keepalive=20)
        except OSError as error:
            raise UnreachableError(
                f"no broker at {self.url} ({error.strerror or error})",
                remedy="start it, or run fleet up without --broker to use the embedded one",
            ) from error
        self._worker.start()
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        # paho keeps its wake-up sockets until the client is collected, perhaps after the sockets themselves.
        self._client.reinitialise()
        if self._worker.is_alive():
            self._inbox.put(None)
            self._worker.join(5)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a retained message with QoS 1; it is kept until the broker is back if it is away."""
        info = self._client.publish(topic, payload, qos=1, retain=True)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            log.warning("cannot publish %s: %s", topic, mqtt.error_string(info.rc))

    def send(self, topic: str, payload: bytes) -> None:
        """Publish a message that is not retained."""
        self._client.publish(topic, payload, qos=1)

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        self._subscribe(client)
        self._inbox.put(("", "connected", b""))

    def _subscribe(self, client: mqtt.Client) -> None:
        # QoS 0: brokers bound the QoS 1 messages they queue for a client and drop the rest silently, while
        # reports are retained and so are read again after any loss. The marker is asked for by its exact
        # topic: not every broker replays retained messages to wildcards.
        client.subscribe([*((topics.every_device(leaf), 0) for leaf in LISTENED), (self._marker(), 0)])

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        parsed = topics.parse_device(message.topic)
        if parsed is not None:
            with self._count:
                if self._waiting + len(message.payload) > MAX_WAITING:
                    self._lost = True
                    return
                self._waiting += len(message.payload)
            self._inbox.put((*parsed, bytes(message.payload)))
        elif message.payload and message.retain:
            self._inbox.put(("", "marker", b""))

    def _work(self) -> None:
        while True:
            wait = None if self._marker_due is None else max(0.0, self._marker_due - time.monotonic())
            try:
                item = self._inbox.get(timeout=wait)
            except queue.Empty:
                item = ("", "no marker", b"")
            if item is None:
                return
            try:
                self._take(*item)
            except Exception:
                # One device's message must not silence all the others.
                log.exception("message %s of %s was not handled", item[1], item[0] or "the broker")

    def _take(self, device: str, leaf: str, payload: bytes) -> None:
        if device:
            with self._count:
                self._waiting -= len(payload)
            self._handle(device, leaf, payload)
            if self._inbox.empty():
                self._idle()
                self._read_again()
        elif leaf == "connected":
            self._marker_due = time.monotonic() + MARKER_WAIT
        elif self._marker_due is not None:
            self._marker_due = None
            self._connected(leaf == "marker")

    def _read_again(self) -> None:
        """After a flood: subscribing once more brings back what is retained of the messages not taken."""
        if self._lost:
            self._lost = False
            log.warning("devices said more than could be heard; what they last reported is read again")
            self._subscribe(self._client)


def _no_delay(_client: mqtt.Client, _data: object, sock: object) -> None:
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
