"""The MQTT connection: paho in its own thread, everything else on the event loop."""

import asyncio
import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from device_agent.update.retry import delay
from protocol import topics
from protocol.errors import InputError

log = logging.getLogger("fleet.link")

KEEPALIVE_SECONDS = 30
ONLINE, OFFLINE = b"online", b"offline"


def broker_address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken, of `mqtt://host[:port]` or `mqtts://host[:port]`.

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
        raise InputError(f"{url!r} is not a broker's address", remedy="write mqtt[s]://HOST:PORT")
    return parts.hostname, port, parts.scheme == "mqtts"


class Link:
    """One clean-session MQTT 3.1.1 connection that comes back by itself.

    Args:
        device: Name of the device, and client id.
        url: `mqtt://host:port`, or `mqtts://host:port`.
        on_message: Called on the loop with topic and payload.
        on_connection: Called on the loop when the connection has come (True) or gone.
        tls: What `mqtts` needs.

    Raises:
        InputError: `url` is not a broker's address, or needs a certificate that there is not.
    """

    def __init__(
        self,
        device: str,
        url: str,
        on_message: Callable[[str, bytes], None],
        on_connection: Callable[[bool], None],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, secured = broker_address(url)
        if secured and tls is None:
            raise InputError(
                f"{device} has no certificate, and the broker asks for one",
                where=url,
                remedy="enrol it again: fleet unenroll, fleet enroll, fleet-agent claim --data FRESH",
            )
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_connection = on_connection
        self._stop = threading.Event()
        self.connected = False
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=device, clean_session=True, protocol=mqtt.MQTTv311
        )
        if secured and tls is not None:
            client.tls_set_context(tls)
        client.will_set(topics.device(device, "presence"), OFFLINE, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_socket_open = self._socket_opened
        client.connect_timeout = 5.0
        self._client = client
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect; never waits."""
        self._thread.start()

    def _run(self) -> None:
        failures = 0
        told = False
        while not self._stop.is_set():
            why = "refused or closed the connection"
            try:
                self._client.connect(self._host, self._port, KEEPALIVE_SECONDS)
                while self._client.loop(timeout=0.5) == mqtt.MQTT_ERR_SUCCESS:
                    if self.connected:
                        failures, told = 0, False
                    if self._stop.is_set():
                        self._client.disconnect()
            except (OSError, ValueError) as error:
                why = f"cannot be reached: {error}"
            self._lost()
            if not told and not self._stop.is_set():
                log.warning("broker %s:%d %s; goes on serving, tries again", self._host, self._port, why)
                told = True
            failures += 1
            self._stop.wait(delay(min(failures, 5), random.random()) / 2)  # noqa: S311 - jitter

    @staticmethod
    def _socket_opened(_client: mqtt.Client, _userdata: object, opened: object) -> None:
        if isinstance(opened, socket.socket):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            return
        self.connected = True
        client.publish(topics.device(self._device, "presence"), ONLINE, qos=1, retain=True)
        self._call(self._on_connection, True)

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._lost()

    def _lost(self) -> None:
        if self.connected:
            self.connected = False
            self._call(self._on_connection, False)

    def _message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        # A question is of its moment: one that the broker keeps would be asked anew at each connection.
        if not (message.retain and message.topic == topics.device(self._device, "infer/in")):
            self._call(self._on_message, message.topic, bytes(message.payload))

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def subscribe(self, names: list[str]) -> None:
        """Subscribe with QoS 0; lost with the connection."""
        if self.connected and names:
            self._client.subscribe([(name, 0) for name in names])

    def unsubscribe(self, names: list[str]) -> None:
        """End subscriptions."""
        if self.connected and names:
            self._client.unsubscribe(names)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 0) -> None:
        """Publish if there is a connection; nothing is queued for later."""
        if self.connected:
            self._client.publish(topic, payload, qos=qos, retain=retain)

    async def stop(self) -> None:
        """Say goodbye and end the connection."""
        if self.connected:
            info = self._client.publish(topics.device(self._device, "presence"), OFFLINE, qos=1, retain=True)
            await asyncio.to_thread(info.wait_for_publish, 2.0)
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 10.0)
