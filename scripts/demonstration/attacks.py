"""Two attackers: one who writes to the broker, one who even stole the director's key."""

import hashlib
import queue
import threading
import time
from pathlib import Path
from typing import Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from protocol import cose, topics
from protocol.documents import MAX_MANIFEST, Assignment, Desired, Manifest
from protocol.keys import SoftwareKey
from protocol.trust import ASSIGNMENT, MANIFEST


def _connect(port: int) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "attacker")
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


class Tamperer:
    """Overwrites the first large chunk that is published while it listens, and keeps doing so."""

    def __init__(self, port: int) -> None:
        self._client = _connect(port)
        self._listening = threading.Event()
        self._forged: dict[str, bytes] = {}
        self.count = 0

    def __enter__(self) -> Self:
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._listening.set()
        self._client.subscribe(f"{topics.PREFIX}/chunk/+")
        if not self._listening.wait(10):
            raise TimeoutError("the broker did not acknowledge the attacker's subscription")
        return self

    def _on_message(self, client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        if message.retain or not message.payload or self._forged.get(message.topic) == message.payload:
            return
        if message.topic in self._forged or (not self._forged and len(message.payload) > 2048):
            forged = bytes([message.payload[0] ^ 1]) + message.payload[1:]
            self._forged[message.topic] = forged
            client.publish(message.topic, forged, qos=1, retain=True)
            self.count += 1

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _retained(client: mqtt.Client, topic: str) -> bytes:
    """What the broker keeps under a topic; anyone who can connect can read it."""
    found: queue.Queue[bytes | bytearray] = queue.Queue()
    client.on_message = lambda _client, _data, message: found.put(message.payload)
    client.subscribe(topic)
    return bytes(found.get(timeout=10))


def forge_release(port: int, director_key: Path, manifest: bytes, generations: dict[str, int]) -> SoftwareKey:
    """Assign a release that an unknown key has signed, to every device.

    Args:
        port: The broker's.
        director_key: The stolen key file.
        manifest: Digest of the release that the devices run; the forged one is made from it.
        generations: Device to the generation it accepted.

    Returns:
        The key that signed, and that no root lists.
    """
    rogue = SoftwareKey.generate()
    director = SoftwareKey.from_seed(bytes.fromhex(director_key.read_text().strip()))
    client = _connect(port)
    now = int(time.time())
    sent = []
    signed = _retained(client, topics.manifest(manifest))
    good = Manifest.decode(cose.parse(signed, max_payload=MAX_MANIFEST).payload)
    forged = good.model_copy(update={"version": "6.6.6", "sequence": good.sequence + 1000}).encode()
    digest = hashlib.sha256(forged).digest()
    for device, generation in generations.items():
        assignment = Assignment(
            device=device, generation=generation + 1, models={good.model: Desired(manifest=digest)},
            min_root=1, issued=now, expires=now + 3600,
        )  # fmt: skip
        sent += [
            client.publish(topics.manifest(digest), cose.sign(MANIFEST, forged, [rogue]), 1, retain=True),
            client.publish(
                topics.device(device, "desired"),
                cose.sign(ASSIGNMENT, assignment.encode(), [director]), 1, retain=True,
            ),
        ]  # fmt: skip
    for message in sent:
        message.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()
    return rogue
