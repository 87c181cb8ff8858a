"""A controller in miniature for tests of the agent: signs and publishes with `protocol` only."""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion

from device_agent.identity import IDENTITY, TRUST, Identity, save
from device_agent.slots.files import DiskFiles, Files
from protocol import cbor, cose, topics
from protocol.chunks import build_index, cut, limit, sha256
from protocol.commands import COMMAND, MAX_COMMAND, MAX_RESULT, PROFILE, RESULT, Command, Result
from protocol.confidential import Cipher, key_id, wrap, wrapping_key
from protocol.documents import (
    MAX_REPORT,
    Assignment,
    Chunk,
    Desired,
    GoldenCase,
    Manifest,
    NonceAnswer,
    Report,
    Role,
    Root,
    Target,
    Telemetry,
)
from protocol.enrolment import report_key
from protocol.keys import SoftwareKey
from protocol.module import ABI
from protocol.trust import ASSIGNMENT, MANIFEST, NONCE, REPORT, ROOT, TELEMETRY, Verifier
from tests.support.fake_module import FakeModule

T = TypeVar("T")
_YEAR = 365 * 86400


def wait_until(condition: Callable[[], T], what: str, seconds: float = 30) -> T:
    """Ask until `condition` gives something true, and give that.

    Raises:
        TimeoutError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.01)
    return value


@dataclass(frozen=True)
class Keys:
    """One key for each role, and the root that lists them."""

    root: SoftwareKey
    release: SoftwareKey
    director: SoftwareKey
    issued: int

    @classmethod
    def new(cls, issued: int | None = None) -> Self:
        """Fresh keys; the root counts as issued an hour ago unless told otherwise."""
        moment = int(time.time()) - 3600 if issued is None else issued
        return cls(SoftwareKey.generate(), SoftwareKey.generate(), SoftwareKey.generate(), moment)

    def signed_root(self, version: int = 1, **change: object) -> bytes:
        """Root `version` with these keys."""
        keys = (self.root, self.release, self.director)
        root = Root(
            version=version,
            issued=self.issued,
            expires=self.issued + _YEAR,
            keys={key.public.id: key.public.to_cose() for key in keys},
            roles={
                name: Role(threshold=1, keys=(key.public.id,))
                for name, key in zip(("root", "release", "director"), keys, strict=True)
            },
        ).model_copy(update=change)
        return cose.sign(ROOT, root.encode(), [self.root])


@dataclass(frozen=True)
class Built:
    """A release ready to be published.

    Attributes:
        digest: The manifest's name.
        signed: The manifest, signed.
        blobs: Chunks, index pages and golden inputs by digest.
        chunks: Digests of the module's chunks in order.
    """

    digest: bytes
    manifest: Manifest
    signed: bytes
    blobs: dict[bytes, bytes]
    chunks: tuple[bytes, ...]


@dataclass(frozen=True)
class Source:
    """Everything that a release is built from.

    Attributes:
        wasm: The module for target `simd`.
        boundaries: Where it may be cut.
        golden: Golden cases; their inputs' chunks are in `inputs`.
    """

    model: str
    version: str
    wasm: bytes
    boundaries: Sequence[int]
    golden: tuple[GoldenCase, ...]
    trace: tuple[bytes, ...]
    inputs: Sequence[bytes]
    memory: int
    deadline: int
    classes: tuple[str, ...] = ("linux",)

    @classmethod
    def of(cls, fake: FakeModule) -> Self:
        """A fake module as a source."""
        wasm = fake.build()
        cases, trace, inputs = fake.golden()
        return cls(
            fake.name, fake.version, wasm, fake.boundaries(wasm), cases, trace, inputs, fake.meta.memory,
            fake.deadline, fake.classes,
        )  # fmt: skip


def build(
    source: Source, signer: SoftwareKey, sequence: int = 1, floor: int = 0, content_key: bytes | None = None
) -> Built:
    """Cut, index and sign a release with the one target `simd`, encrypted if there is a content key."""
    most = limit("simd")
    pieces = cut(source.wasm, source.boundaries, most)
    if content_key is not None:
        source = _encrypted(source, Cipher(content_key, "simd"))
        pieces = [Cipher(content_key, "simd").encrypt("module", n, piece) for n, piece in enumerate(pieces)]
    pages = build_index(pieces, source.golden, source.trace, most)
    target = Target(
        size=len(source.wasm), sha256=sha256(source.wasm), index=sha256(pages[0]),
        abi=(ABI, (ABI >> 16 << 16) | 0xFFFF), memory=source.memory, deadline=source.deadline,
    )  # fmt: skip
    manifest = Manifest(
        model=source.model, version=source.version, sequence=sequence, floor=floor, classes=source.classes,
        provenance=sha256(b""), targets={"simd": target},
        content_key=key_id(content_key) if content_key is not None else None,
    )  # fmt: skip
    return Built(
        digest=sha256(manifest.encode()),
        manifest=manifest,
        signed=cose.sign(MANIFEST, manifest.encode(), [signer]),
        blobs={sha256(data): data for data in (*pieces, *pages, *source.inputs)},
        chunks=tuple(sha256(piece) for piece in pieces),
    )


def _encrypted(source: Source, cipher: Cipher) -> Source:
    """The golden inputs under a content key, each case with chunks of its own."""
    clear = {sha256(data): data for data in source.inputs}
    inputs: list[bytes] = []

    def sealed(chunk: Chunk) -> Chunk:
        inputs.append(cipher.encrypt("golden", len(inputs), clear[chunk.digest]))
        return Chunk(digest=sha256(inputs[-1]), length=len(inputs[-1]))

    golden = tuple(
        case
        if case.inputs is None
        else case.model_copy(update={"inputs": tuple(sealed(chunk) for chunk in case.inputs)})
        for case in source.golden
    )
    return replace(source, golden=golden, inputs=inputs)


def enrol(
    files: Files, keys: Keys, controller: X25519PrivateKey, device: str = "dev-1", broker: str = "mqtt://none"
) -> None:
    """Write what a claim would have left in the agent's data folder."""
    identity = Identity(
        device=device,
        device_class="linux",
        controller="http://127.0.0.1:1",
        broker=broker,
        private=X25519PrivateKey.generate().private_bytes_raw(),
        peer=controller.public_key().public_bytes_raw(),
    )
    save(files, TRUST, Verifier.enrol(device, keys.signed_root()).state)
    save(files, IDENTITY, identity)


_HEARD = ("reported", "telemetry", "presence", "infer/out", "result", "nonce")


class Director:
    """Publishes to one broker and listens to one device."""

    def __init__(self, port: int, data: Path, keys: Keys | None = None, device: str = "dev-1") -> None:
        self.keys = keys or Keys.new()
        self.device = device
        self.generation = 0
        self.reports: list[Report] = []
        self.telemetry: list[Telemetry] = []
        self.presence: list[bytes] = []
        self.answers: list[dict[str, Any]] = []
        self.results: dict[bytes, Result] = {}
        self.nonces: list[bytes] = []
        controller = X25519PrivateKey.generate()
        files = DiskFiles(data)
        enrol(files, self.keys, controller, device, f"mqtt://127.0.0.1:{port}")
        public = X25519PrivateKey.from_private_bytes(_identity(files).private).public_key().public_bytes_raw()
        self.key = report_key(controller.private_bytes_raw(), public, device)
        self._exchange = (controller.private_bytes_raw(), public)
        self._port = port
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "director")
        self._client.on_message = self._message
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(topics.device(device, leaf), 0) for leaf in _HEARD]
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()

    def __enter__(self) -> Self:
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        if not self._subscribed.wait(10):
            raise TimeoutError("the broker did not acknowledge the director's subscription")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # paho keeps its wake-up sockets until the client is collected, perhaps after the sockets themselves.
        self._client.reinitialise()

    def _message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        leaf = message.topic.partition(f"/{self.device}/")[2]
        if leaf == "presence":
            self.presence.append(message.payload)
        elif leaf == "nonce":
            self.nonces.append(message.payload)
        elif leaf == "infer/out":
            self.answers.append(cbor.decode(message.payload))
        elif leaf == "result":
            payload = cose.open_mac0(RESULT, message.payload, self.key, max_payload=MAX_RESULT)
            result = Result.decode(payload)
            self.results[result.id] = result
        elif leaf == "reported":
            payload = cose.open_mac0(REPORT, message.payload, self.key, max_payload=MAX_REPORT)
            self.reports.append(Report.decode(payload))
        else:
            payload = cose.open_mac0(TELEMETRY, message.payload, self.key, max_payload=MAX_REPORT)
            self.telemetry.append(Telemetry.decode(payload))

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        """Publish and wait until the broker has it."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        info.wait_for_publish(10)
        if not info.is_published():
            raise TimeoutError(f"the broker did not take {topic}")

    def release(
        self, fake: FakeModule, sequence: int = 1, floor: int = 0, content_key: bytes | None = None
    ) -> Built:
        """Build a release of a fake module and publish it."""
        built = build(Source.of(fake), self.keys.release, sequence, floor, content_key)
        self.publish_release(built)
        return built

    def publish_release(self, built: Built, *, omit: Sequence[bytes] = ()) -> None:
        """Publish a release's blobs, but those of `omit`, and its manifest."""
        for digest, data in built.blobs.items():
            if digest not in omit:
                self.publish(topics.chunk(digest), data)
        self.publish(topics.manifest(built.digest), built.signed)

    def assignment(self, models: dict[str, Desired], **change: Any) -> bytes:
        """The next signed assignment."""
        self.generation += 1
        now = int(time.time())
        assignment = Assignment(
            device=self.device, generation=self.generation, models=models, min_root=1, issued=now,
            expires=now + 3600,
        ).model_copy(update=change)  # fmt: skip
        return cose.sign(ASSIGNMENT, assignment.encode(), [self.keys.director])

    def assign(self, *wanted: Built, observe: tuple[int, int] = (3, 0), attempt: int = 0) -> int:
        """Assign these releases and nothing else; gives the generation."""
        models = {
            built.manifest.model: Desired(manifest=built.digest, observe=observe, attempt=attempt)
            for built in wanted
        }
        self.publish(topics.device(self.device, "desired"), self.assignment(models))
        return self.generation

    def wrapped(self, built: Built, content_key: bytes, device: str | None = None) -> bytes:
        """The content key of a release for the device, or as if for another."""
        return wrap(content_key, wrapping_key(*self._exchange, device or self.device, built.digest))

    def assign_encrypted(self, built: Built, wrapped: bytes | None) -> None:
        """Assign an encrypted release with a wrapped key."""
        desired = Desired(manifest=built.digest, observe=(3, 0), content_key=wrapped)
        signed = self.assignment({built.manifest.model: desired})
        self.publish(topics.device(self.device, "desired"), signed)

    def command(self, model: str = "crop-model", kind: str = COMMAND, **change: Any) -> bytes:
        """A signed request to profile a model."""
        now = int(time.time())
        command = Command(
            device=self.device, id=secrets.token_bytes(16), issued=now, expires=now + 60, command=PROFILE,
            model=model,
        ).model_copy(update=change)  # fmt: skip
        return cose.sign(kind, command.encode(), [self.keys.director])

    def time_answer(self, nonce: bytes, **change: Any) -> bytes:
        """What the director signs for a nonce."""
        answer = NonceAnswer(
            device=self.device, nonce=nonce, now=int(time.time()), generation=self.generation, min_root=1
        ).model_copy(update=change)
        return cose.sign1(NONCE, answer.encode(), self.keys.director)

    def tell_time(self, signed: bytes) -> None:
        """Send a time answer."""
        self.publish(topics.device(self.device, "time"), signed, retain=False)

    def ask(self, signed: bytes) -> bytes:
        """Send a command; gives its id."""
        self.publish(topics.device(self.device, "cmd"), signed, retain=False)
        return Command.decode(cose.parse(signed, max_payload=MAX_COMMAND).payload).id

    def result(self, identity: bytes, seconds: float = 30) -> Result:
        """The answer to a command."""
        wait_until(lambda: identity in self.results, f"command {identity.hex()[:8]} is answered", seconds)
        return self.results[identity]

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._client.is_connected()

    @property
    def report(self) -> Report | None:
        """The newest report."""
        return self.reports[-1] if self.reports else None

    def wait(self, condition: Callable[[Report], object], what: str, seconds: float = 30) -> Report:
        """Wait for a report that fulfils `condition`, old ones not counted.

        Raises:
            TimeoutError: none came; the text holds the newest.
        """
        try:
            return wait_until(lambda: (r := self.report) and condition(r) and r, what, seconds) or _never()
        except TimeoutError as error:
            raise TimeoutError(f"{error}; newest report: {self.report!r}") from None

    def wait_state(self, built: Built, state: str, seconds: float = 30) -> Report:
        """Wait until the device reports `state` for this release."""

        def there(report: Report) -> bool:
            model = report.models.get(built.manifest.model)
            return model is not None and model.state == state and model.wanted == built.digest

        return self.wait(there, f"{built.manifest.model} {built.manifest.version} {state}", seconds)


def _identity(files: Files) -> Identity:
    data = files.read(IDENTITY)
    assert data is not None
    return Identity.decode(data[32:])


def _never() -> Report:
    raise AssertionError
