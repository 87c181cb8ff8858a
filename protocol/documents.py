"""The signed documents and the reports; `protocol/cddl/fleet.cddl` says the same in CDDL."""

from typing import Annotated

from pydantic import Field

from protocol.message import (
    Digest,
    Key,
    KeyId,
    Many,
    Message,
    Name,
    Real,
    Seconds,
    Text,
    Uint,
    Version,
    Word,
)

MAX_ROOT, MAX_MANIFEST, MAX_ASSIGNMENT, MAX_REPORT, MAX_NONCE_ANSWER = 16384, 4096, 8192, 16384, 512
"""Largest signed documents accepted, bytes."""
MAX_WRAPPED = 96
"""Largest wrapped content key accepted, bytes; `protocol.confidential.wrap` makes 72."""

ROLES = ("root", "release", "director")


class Role(Message):
    """Who may sign for a role, and how many of them must."""

    threshold: Annotated[Uint, Field(ge=1, le=16), Key(1)]
    keys: Annotated[Many[KeyId], Key(2)]


class Root(Message):
    """Keys and thresholds of every role. Signed by the root before it and by itself."""

    version: Annotated[Uint, Field(ge=1), Key(1)]
    issued: Annotated[Seconds, Key(2)]
    expires: Annotated[Seconds, Key(3)]
    keys: Annotated[dict[KeyId, dict[int, int | bytes]], Key(4)]
    """COSE_Key maps (RFC 9052 section 7) by key id."""
    roles: Annotated[dict[str, Role], Key(5)]
    floors: Annotated[dict[Name, Uint], Key(6)] = {}
    """Least acceptable sequence number of a model, for devices that never ran it."""


class Target(Message):
    """One module of a release."""

    size: Annotated[Uint, Key(1)]
    sha256: Annotated[Digest, Key(2)]
    index: Annotated[Digest, Key(3)]
    """SHA-256 of the first index page."""
    abi: Annotated[tuple[Uint, Uint], Field(strict=False), Key(4)]
    """Least and greatest module ABI (major << 16 | minor) of hosts that can run it."""
    memory: Annotated[Uint, Key(5)]
    """Linear memory, bytes."""
    deadline: Annotated[Uint, Key(6)]
    """Longest run of one inference, milliseconds."""


class Manifest(Message):
    """One immutable version of a model. Named by the SHA-256 of its encoding."""

    model: Annotated[Name, Key(1)]
    version: Annotated[Version, Key(2)]
    sequence: Annotated[Uint, Key(3)]
    floor: Annotated[Uint, Key(4)]
    """Once this release is confirmed, nothing of a lower sequence is installed again."""
    classes: Annotated[Many[Name], Key(5)]
    """Device classes that may run it."""
    provenance: Annotated[Digest, Key(6)]
    targets: Annotated[dict[Name, Target], Key(7)]
    content_key: Annotated[KeyId | None, Key(8)] = None
    """Names the key that all chunks are encrypted under; None: they are not encrypted."""


class Desired(Message):
    """What an assignment says about one model."""

    manifest: Annotated[Digest, Key(1)]
    mode: Annotated[Word, Key(2)] = "serve"
    replace: Annotated[bool | None, Key(3)] = None
    """On a board that holds one model: whether another may be thrown out for this one."""
    observe: Annotated[tuple[Uint, Uint] | None, Field(strict=False), Key(4)] = None
    """Inferences and seconds, whichever comes first, before a release is confirmed."""
    attempt: Annotated[Uint | None, Key(5)] = None
    """A device that gave this release up tries it again when this number changes."""
    content_key: Annotated[bytes | None, Field(max_length=MAX_WRAPPED), Key(6)] = None
    """Of an encrypted release, wrapped for this device: a COSE_Encrypt0 (`protocol.confidential`)."""


class Assignment(Message):
    """The whole desired state of one device."""

    device: Annotated[Name, Key(1)]
    generation: Annotated[Uint, Key(2)]
    models: Annotated[dict[Name, Desired], Key(3)]
    min_root: Annotated[Uint, Key(4)]
    issued: Annotated[Seconds, Key(5)]
    expires: Annotated[Seconds, Key(6)]


class NonceAnswer(Message):
    """Freshness for a device without a clock."""

    device: Annotated[Name, Key(1)]
    nonce: Annotated[bytes, Field(min_length=16, max_length=32), Key(2)]
    now: Annotated[Seconds, Key(3)]
    generation: Annotated[Uint, Key(4)]
    min_root: Annotated[Uint, Key(5)]


class Chunk(Message):
    """A piece of a module, or of a golden input, in an index page; as it is on the wire."""

    digest: Annotated[Digest, Key(1)]
    length: Annotated[Uint, Key(2)]


class GoldenCase(Message):
    """One self-test: an input, and the digest of the outputs it must give."""

    outputs: Annotated[Digest, Key(1)]
    """SHA-256 over all outputs in order."""
    inputs: Annotated[Many[Chunk] | None, Key(2)] = None
    """The inputs, concatenated in order, as chunks; absent when `seed` makes them."""
    seed: Annotated[Uint | None, Key(3)] = None


class IndexPage(Message):
    """One page of a target's index; the lists of all pages are read as one."""

    next: Annotated[Digest | None, Key(1)] = None
    chunks: Annotated[Many[Chunk], Key(2)] = ()
    golden: Annotated[Many[GoldenCase], Key(3)] = ()
    trace: Annotated[Many[Annotated[bytes, Field(min_length=8, max_length=8)]], Key(4)] = ()
    """Eight-byte digests of every layer's output, for the first golden case."""


class Fault(Message):
    """What went wrong on a device, in words that name the layer where there is one."""

    code: Annotated[Word, Key(1)]
    """One word for programs: `golden`, `trap`, `deadline`, `digest`, `signature`, `disk-full`, …"""
    text: Annotated[Text, Key(2)]
    layer: Annotated[Uint | None, Key(3)] = None
    at: Annotated[Seconds | None, Key(4)] = None
    manifest: Annotated[Digest | None, Key(5)] = None
    """The release it happened with."""


class Slot(Message):
    """A release that is installed on a device."""

    manifest: Annotated[Digest, Key(1)]
    version: Annotated[Version, Key(2)]
    sequence: Annotated[Uint, Key(3)]
    target: Annotated[Name, Key(4)]


class Usage(Message):
    """What inference has been like since the running release was switched in."""

    inferences: Annotated[Uint, Key(1)] = 0
    failures: Annotated[Uint, Key(2)] = 0
    p50_us: Annotated[Uint, Key(3)] = 0
    p95_us: Annotated[Uint, Key(4)] = 0
    rate: Annotated[Real, Field(ge=0), Key(5)] = 0.0
    """Inferences per second over the last ten seconds."""
    total: Annotated[Uint, Key(6)] = 0
    """Inferences answered for this model by any release since the agent started."""


class ModelReport(Message):
    """How far a device is with one model.

    `state` is one of `idle` (nothing to do), `fetching`, `verifying`, `loading`, `testing`,
    `observing`, `confirmed`, `failed` (the wanted release was given up; `running` goes on serving).
    """

    state: Annotated[Word, Key(1)]
    running: Annotated[Slot | None, Key(2)] = None
    wanted: Annotated[Digest | None, Key(3)] = None
    """Manifest the assignment asks for."""
    have: Annotated[Uint, Key(4)] = 0
    """Bytes of the wanted module that are on the device."""
    size: Annotated[Uint, Key(5)] = 0
    reused: Annotated[Uint, Key(6)] = 0
    """Bytes of it that were on the device before the fetch began."""
    golden: Annotated[tuple[Uint, Uint] | None, Field(strict=False), Key(7)] = None
    """Golden cases passed, of how many."""
    fault: Annotated[Fault | None, Key(8)] = None
    usage: Annotated[Usage | None, Key(9)] = None
    received: Annotated[Uint, Key(10)] = 0
    """Bytes of the wanted module that came over the network, retries included."""


class Capabilities(Message):
    """What a device can run."""

    device_class: Annotated[Name, Key(1)]
    targets: Annotated[Many[Name], Key(2)]
    """Best first."""
    abi: Annotated[Uint, Key(3)]
    memory: Annotated[Uint, Key(4)]
    """Most linear memory a module may have, bytes."""
    agent: Annotated[Text, Key(5)]
    platform: Annotated[Text, Key(6)] = ""
    storage: Annotated[Uint | None, Key(7)] = None
    """Free bytes for modules."""


class Report(Message):
    """`reported`: the state a device says it is in. Carried in a COSE_Mac0."""

    device: Annotated[Name, Key(1)]
    boot: Annotated[Uint, Key(2)]
    """Counts starts of the agent, kept over power cuts."""
    sequence: Annotated[Uint, Key(3)]
    """Counts reports within a boot; (boot, sequence) only grows."""
    root: Annotated[Uint, Key(4)]
    generation: Annotated[Uint, Key(5)]
    stale: Annotated[bool, Key(6)]
    """Whether the newest assignment has expired."""
    models: Annotated[dict[Name, ModelReport], Key(7)] = {}
    missing: Annotated[Many[Digest], Field(max_length=128), Key(8)] = ()
    """Retained blobs or manifests the broker did not give."""
    capabilities: Annotated[Capabilities | None, Key(9)] = None
    fault: Annotated[Fault | None, Key(10)] = None
    """What the device refused or could not do outside any one model."""
    clock: Annotated[Seconds | None, Key(11)] = None


class Telemetry(Message):
    """Usage between reports, for gates and dashboards. Carried in a COSE_Mac0."""

    device: Annotated[Name, Key(1)]
    boot: Annotated[Uint, Key(2)]
    sequence: Annotated[Uint, Key(3)]
    """Its own count, apart from that of the reports."""
    models: Annotated[dict[Name, Usage], Key(4)]
    versions: Annotated[dict[Name, Version], Key(5)] = {}
