"""The controller's use cases over a recording broker and a clock that stands still, and devices that
say what a test tells them to say."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from controller.delivery import Access
from controller.service import Context, Service
from controller.store import BlobStore, Store
from protocol import api, cbor, cose, topics
from protocol.chunks import build_index, cut, limit, sha256
from protocol.documents import (
    Assignment,
    Capabilities,
    Fault,
    Manifest,
    ModelReport,
    Report,
    Root,
    Slot,
    Target,
    Telemetry,
    Usage,
)
from protocol.enrolment import Invitation, report_key, report_key_id
from protocol.keys import PublicKey, Signer, SoftwareKey
from protocol.module import ABI
from protocol.trust import MANIFEST, REPORT, TELEMETRY, Verifier
from tests.support.director import Keys
from tests.support.fake_module import FakeModule

NOW = 1_800_000_000
EXCHANGE = bytes(range(32))


@dataclass
class RecordingBroker:
    """What was published, in order, and what a broker would retain of it."""

    url: str = "mqtt://127.0.0.1:1"
    is_connected: bool = True
    published: list[tuple[str, bytes]] = field(default_factory=list)
    retained: dict[str, bytes] = field(default_factory=dict)
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, payload))
        if payload:
            self.retained[topic] = payload
        else:
            self.retained.pop(topic, None)

    def send(self, topic: str, payload: bytes) -> None:
        self.sent.append((topic, payload))

    def count(self, prefix: str) -> int:
        """How often topics that begin so were published with content."""
        return sum(1 for topic, payload in self.published if topic.startswith(prefix) and payload)


@dataclass(frozen=True)
class Package:
    """Everything that is uploaded for a release, short of its signature."""

    modules: tuple[FakeModule, ...]
    targets: dict[str, Target]
    blobs: dict[str, bytes]
    provenance: bytes

    @property
    def model(self) -> str:
        return self.modules[0].name

    @property
    def version(self) -> str:
        return self.modules[0].version

    @property
    def content(self) -> str:
        """A digest of all its targets."""
        return hashlib.sha256(b"".join(target.encode() for target in self.targets.values())).hexdigest()

    def manifest(self, sequence: int, floor: int, **change: Any) -> Manifest:
        """The document to sign."""
        values: dict[str, Any] = {
            "model": self.model, "version": self.version, "sequence": sequence, "floor": floor,
            "classes": self.modules[0].classes, "provenance": self.provenance, "targets": self.targets,
        }  # fmt: skip
        return Manifest(**values | change)


def pack(*modules: FakeModule) -> Package:
    """Cut fake modules, one for each target, into the blobs of one release."""
    provenance = cbor.encode({"by": "a test"})
    blobs = {sha256(provenance).hex(): provenance}
    targets = {}
    for module in modules:
        wasm, most = module.build(), limit(module.target)
        cases, trace, inputs = module.golden()
        pieces = cut(wasm, module.boundaries(wasm), most)
        pages = build_index(pieces, cases, trace, most)
        blobs |= {sha256(blob).hex(): blob for blob in (*pieces, *pages, *inputs)}
        targets[module.target] = Target(
            size=len(wasm), sha256=sha256(wasm), index=sha256(pages[0]), abi=(ABI, ABI | 0xFFFF),
            memory=module.meta.memory, deadline=module.deadline,
        )  # fmt: skip
    return Package(modules, targets, blobs, sha256(provenance))


class FakeDevice:
    """Signs reports with the key of its claim, and holds the controller to the rules of trust.

    Args:
        name: Of the device.
        say: Takes a leaf and a payload to where the controller hears it.
        desired: Gives the newest signed assignment, if there is one.
    """

    def __init__(
        self, name: str, say: Callable[[str, bytes], None], desired: Callable[[], bytes | None]
    ) -> None:
        self.name = name
        self.private = X25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.boot, self.sequence = 1, 0
        self.running: dict[str, Slot] = {}
        self.verifier: Verifier | None = None
        self.peer = self.key = b""
        self._say = say
        self._desired = desired

    @property
    def public(self) -> str:
        return self.private.public_key().public_bytes_raw().hex()

    def accept(self, invitation: Invitation, claimed: api.Claimed) -> None:
        """Remember what the claim gave."""
        self.verifier = Verifier.enrol(self.name, invitation.root)
        self.peer = bytes.fromhex(claimed.public_key)
        self.key = report_key(self.private.private_bytes_raw(), self.peer, self.name)

    def online(self, *, yes: bool = True) -> None:
        self._say("presence", b"online" if yes else b"offline")

    def assignment(self, now: int = NOW) -> Assignment:
        """The newest assignment, accepted by the rules; one of generation 0 when there is none."""
        assert self.verifier is not None
        signed = self._desired()
        if signed is not None and signed != self.verifier.state.assignment:
            self.verifier, _ = self.verifier.accept_assignment(signed, now)
        return self.verifier.assignment()

    def signed_report(self, **change: Any) -> bytes:
        """A report of the next sequence number, under its authentication tag."""
        self.sequence += 1
        values: dict[str, Any] = {
            "device": self.name, "boot": self.boot, "sequence": self.sequence, "root": 1,
            "generation": self.assignment().generation, "stale": False, "models": {},
            "capabilities": capabilities(),
        }  # fmt: skip
        return self.authenticate(REPORT, Report(**values | change).encode())

    def authenticate(self, kind: str, payload: bytes, key: bytes | None = None) -> bytes:
        key = key or self.key
        return cose.mac0(kind, payload, key, report_key_id(key))

    def report(self, **change: Any) -> None:
        self._say("reported", self.signed_report(**change))

    def tell(self, release: api.Release, state: str, target: str = "simd", **change: Any) -> None:
        """Report how far it is with a release; `confirmed` and `observing` mean that it runs it."""
        if state in ("confirmed", "observing"):
            self.running[release.model] = slot(release, target)
        models = {model: ModelReport(state="idle", running=one, wanted=one.manifest)
                  for model, one in self.running.items()}  # fmt: skip
        values: dict[str, Any] = {
            "state": state, "running": self.running.get(release.model),
            "wanted": bytes.fromhex(release.manifest),
        }  # fmt: skip
        self.report(models=models | {release.model: ModelReport(**values | change)})

    def fail(self, release: api.Release, text: str = "golden test: first difference in conv_1") -> None:
        self.tell(release, "failed", fault=Fault(code="golden", text=text, layer=1))

    def measure(self, sequence: int, rate: float, model: str = "crop-model") -> None:
        """Send telemetry."""
        telemetry = Telemetry(
            device=self.name, boot=self.boot, sequence=sequence, models={model: Usage(rate=rate)}
        )
        self._say("telemetry", self.authenticate(TELEMETRY, telemetry.encode()))


def slot(release: api.Release, target: str = "simd") -> Slot:
    """A release as a device lists it."""
    return Slot(
        manifest=bytes.fromhex(release.manifest), version=release.version, sequence=release.sequence,
        target=target,
    )  # fmt: skip


def capabilities(**change: Any) -> Capabilities:
    """Of an ordinary Linux device."""
    values: dict[str, Any] = {
        "device_class": "linux", "targets": ("simd", "mvp"), "abi": ABI, "memory": 1 << 30, "agent": "test",
    }  # fmt: skip
    return Capabilities(**values | change)


@dataclass
class Directors:
    """A controller's keys for the role in memory; the last one is for the next root."""

    keys: list[SoftwareKey]

    def next(self) -> PublicKey:
        if len(self.keys) == 1:
            self.keys.append(SoftwareKey.generate())
        return self.keys[-1].public

    def of(self, root: Root) -> Signer | None:
        return next((key for key in self.keys if key.public.id in root.roles["director"].keys), None)

    def settle(self, root: Root) -> None:
        self.keys = [key for key in self.keys if key.public.id in root.roles["director"].keys] or self.keys


class Fleet:
    """A controller without broker and HTTP, its keys, and its devices."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.keys = Keys.new(issued=NOW - 3600)
        self.broker = RecordingBroker()
        self.folder = folder
        self.kept_roots: dict[int, bytes] = {}
        self.devices: dict[str, FakeDevice] = {}
        self.directors = Directors([self.keys.director])
        self.store = Store(f"sqlite:///{folder / 'fleet.db'}")
        self.store.migrate()
        self.service = self.start()

    def start(self) -> Service:
        """The use cases anew, as after a restart: same database and files, nothing in memory."""
        context = Context(
            store=self.store,
            blobs=BlobStore(self.folder / "blobs"),
            publisher=self.broker,
            access=Access(self.folder / "access", (), datetime.fromtimestamp(self.now, UTC)),
            clock=lambda: self.now,
            director=self.directors.keys[0],
            exchange_key=EXCHANGE,
            roots={1: self.keys.signed_root(), **self.kept_roots},
            keep_root=self.kept_roots.__setitem__,
            controller_url="http://127.0.0.1:1",
            directors=self.directors,
        )
        self.service = Service(context)
        return self.service

    def close(self) -> None:
        self.store.close()

    def pass_time(self, seconds: int) -> None:
        """Let time pass, and the controller notice it."""
        self.now += seconds
        self.service.intake.tick()

    def enrol(self, name: str, **request: Any) -> Invitation:
        """Invite a device that has not claimed its place yet."""
        enrolment = self.service.devices.enrol(api.DeviceCreate(name=name, **request))
        return Invitation.decode(bytes.fromhex(enrolment.invitation))

    def join(
        self, name: str, group: str | None = "farm-a", caps: Capabilities | None = None, **request: Any
    ) -> FakeDevice:
        """A device that is enrolled, has claimed, is online and has reported, in a group."""
        invitation = self.enrol(name, **request)
        topic = topics.device(name, "desired")
        device = FakeDevice(
            name,
            lambda leaf, payload: self._hear(name, leaf, payload),
            lambda: self.broker.retained.get(topic),
        )
        claim = api.Claim(token=invitation.token, public_key=device.public)
        device.accept(invitation, self.service.devices.claim(name, claim))
        if group is not None:
            self.service.groups.change(group, api.GroupChange(add=[name]))
        device.online()
        device.report(capabilities=caps or capabilities(device_class=request.get("device_class", "linux")))
        self.devices[name] = device
        return device

    def _hear(self, name: str, leaf: str, payload: bytes) -> None:
        self.service.intake.handle(name, leaf, payload)
        self.service.intake.idle()

    def upload(self, package: Package) -> api.Reservation:
        """Reserve and upload, but sign nothing."""
        reservation = self.service.releases.reserve(
            api.Reserve(model=package.model, version=package.version, content=package.content)
        )
        for digest, blob in package.blobs.items():
            self.service.context.blobs.put(digest, blob)
        return reservation

    def release(
        self, version: str = "1.0.0", key: int = 1, *, targets: tuple[str, ...] = ("simd",), **module: Any
    ) -> api.Release:
        """A release of fake modules, one for each target."""
        package = pack(*(FakeModule(version=version, key=key, target=name, **module) for name in targets))
        return self.register(package, self.upload(package))

    def register(
        self, package: Package, numbers: api.Reservation, signer: Signer | None = None, **change: Any
    ) -> api.Release:
        """Sign and register a package."""
        manifest = package.manifest(numbers.sequence, numbers.floor, **change)
        signed = cose.sign(MANIFEST, manifest.encode(), [signer or self.keys.release])
        return self.service.releases.register(signed)

    def push(self, release: api.Release, group: str = "farm-a", **request: Any) -> int:
        """Begin a rollout; gives its number."""
        started = self.service.rollouts.push(
            api.PushRequest(model=release.model, version=release.version, group=group, **request)
        )
        assert isinstance(started, api.Started)
        return started.rollout

    def rollout(self, number: int) -> api.Rollout:
        """How a rollout stands."""
        return self.service.rollouts.get(number, None, 0)

    def wants(self, device: str, model: str = "crop-model") -> str | None:
        """Version of a model that a device's newest assignment asks for."""
        found = self.service.devices.get(device).models.get(model)
        return found.wanted if found else None

    def settle(self, release: api.Release, number: int) -> api.Rollout:
        """Let every device that was assigned the release confirm it, until the rollout ends."""
        for _ in range(10):
            for device in self.devices.values():
                desired = device.assignment(self.now).models.get(release.model)
                if desired and desired.manifest.hex() == release.manifest:
                    device.tell(release, "confirmed")
            self.pass_time(1)
            if (rollout := self.rollout(number)).ended is not None:
                return rollout
        return self.rollout(number)

    def texts(self, device: str | None = None) -> list[str]:
        """All events, or those of a device, in words."""
        return [event.text for event in self.service.status.events(device, None, 500)]


def wrong_key() -> SoftwareKey:
    """A key that no root lists."""
    return SoftwareKey.from_seed(b"\x77" * 32)
