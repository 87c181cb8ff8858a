"""Resources of the controller's HTTP API, `/api/v1`, as its server and its clients both know them.

JSON. Digests and signed documents are lower-case hexadecimal, moments are seconds since 1970-01-01
UTC. Errors are `application/problem+json` (RFC 9457) with `title` = what, `detail` = where,
`remedy`, and `exit_code` as in `protocol.errors`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from protocol.documents import Capabilities, Fault, ModelReport
from protocol.message import Name, Version
from protocol.module import TensorMeta

HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]
CommandId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Label = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]

RolloutState = Literal["running", "paused", "done", "failed", "stopped", "superseded"]
"""`failed`: a gate stopped it or devices failed; `stopped`: a person did."""
DeviceState = Literal[
    "waiting", "offline", "assigned", "fetching", "verifying", "loading", "testing", "observing",
    "confirmed", "failed",
]  # fmt: skip
"""Of a device in a rollout; `waiting`: its wave has not begun."""


class Resource(BaseModel):
    """Base of all resources; unknown fields in requests are refused."""

    model_config = ConfigDict(extra="forbid", ser_json_bytes="hex", val_json_bytes="hex")


class Problem(Resource):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    """`urn:fleet:token` if the token is not known, or may not do this."""
    status: int
    title: str
    detail: str | None = None
    remedy: str | None = None
    exit_code: int = 1


class Info(Resource):
    """What a client needs to know about a controller."""

    version: str
    broker: str
    broker_connected: bool
    root: int
    director: Hex
    """Key id of the director."""


class RootUpload(Resource):
    """A signed root, to be published after the ones before it."""

    root: Hex


class DirectorKey(Resource):
    """A public key of the controller, as an encoded COSE_Key."""

    public: Hex


class DeviceCreate(Resource):
    """`fleet enroll`."""

    name: Name
    device_class: Name = "linux"
    labels: dict[Label, str] = {}


class Enrolment(Resource):
    """What `fleet enroll` gives: the invitation is an encoded `protocol.enrolment.Invitation`."""

    device: Name
    invitation: Hex


class Claim(Resource):
    """A device redeems its one-time token with its X25519 public key."""

    token: str
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    request: Hex | None = None
    """For a certificate: PKCS #10 in DER, of a P-256 key."""


class Credentials(Resource):
    """Who a device or an application is at the broker, and who the broker is to it; X.509 in DER."""

    certificate: Hex
    authority: Hex


class RenewalRequest(Resource):
    """A `protocol.enrolment.Renewal` under its MAC."""

    renewal: Hex


class Claimed(Resource):
    """The controller's X25519 public key, and where to go from here."""

    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    broker: str
    credentials: Credentials | None = None
    """If the claim came with a request."""


class Labels(Resource):
    """All labels of a device."""

    labels: dict[Label, str]


class ProfileRequest(Resource):
    """Time the layers of what a device runs of a model."""

    model: Name
    rounds: Annotated[int, Field(ge=1, le=1000)] | None = None


class DeviceProfile(Resource):
    """What a device answered; seconds. All but the first four fields are there once it is `done`."""

    id: CommandId
    device: Name
    model: Name
    state: Literal["waiting", "done", "failed", "lost"]
    """`failed`: `fault` says why; `lost`: no answer came in time."""
    fault: Fault | None = None
    version: Version | None = None
    target: Name | None = None
    metadata: Hex | None = None
    """The section `fleet.meta` of the module, from its release."""
    layers: list[float] = []
    times: list[int] = []
    """How often each layer ran in each round."""
    run: float = 0
    call: float = 0
    rounds: int = 0


class WantedModel(Resource):
    """What a device should run of one model, and what it says it does."""

    wanted: Version | None
    running: Version | None
    state: DeviceState
    report: ModelReport | None


class Device(Resource):
    """A device as the controller knows it."""

    name: Name
    device_class: Name
    labels: dict[str, str]
    groups: list[Name]
    claimed: bool
    online: bool
    stale: bool
    last_seen: int | None
    generation: int
    reported_generation: int | None
    capabilities: Capabilities | None
    models: dict[str, WantedModel]
    fault: Fault | None


class Page(Resource):
    """One page of a list; `next` is the cursor of the next one."""

    next: str | None = None


class DevicePage(Page):
    """Devices."""

    items: list[Device]


class GroupChange(Resource):
    """`fleet group add/remove`: members by name, a query over labels, or both."""

    add: list[Name] = []
    remove: list[Name] = []
    query: str | None = None
    """Replaces the group's query; an empty string removes it."""


class Group(Resource):
    """A group and who is in it now."""

    name: Name
    members: list[Name]
    """By name."""
    query: str | None
    devices: list[Name]
    """All, by name or by query."""
    wanted: dict[str, str]
    """Model to version."""


class Reserve(Resource):
    """Ask for a sequence number before signing."""

    model: Name
    version: Version
    content: HexDigest
    """Digest of what the release holds; the same version with another content is refused."""


class Reservation(Resource):
    """The numbers to sign, or the release that already has this content."""

    sequence: int
    floor: int
    released: HexDigest | None
    """Manifest digest when this version exists with the same content."""


class ContentKey(Resource):
    """The key of an encrypted release: for those who make releases, and nobody else."""

    content_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Digests(Resource):
    """Blob digests: asked for in a request, lacking in the answer."""

    digests: list[HexDigest]


class ReleaseUpload(Resource):
    """A signed manifest whose blobs (index pages, chunks, golden inputs, provenance) are uploaded."""

    manifest: Hex


class ModuleInfo(Resource):
    """One target of a release."""

    target: str
    size: int
    sha256: HexDigest
    memory: int
    chunks: int
    arena: int
    macs: int


class Release(Resource):
    """A release as the controller holds it."""

    model: Name
    version: Version
    manifest: HexDigest
    signed: Hex
    """The signed manifest, as devices receive it."""
    sequence: int
    floor: int
    classes: list[str]
    created: int
    withdrawn: bool
    signers: list[Hex]
    modules: list[ModuleInfo]
    inputs: list[TensorMeta]
    outputs: list[TensorMeta]
    provenance: dict[str, str]
    confidential: bool
    """Whether it is encrypted for the devices it is assigned to."""
    devices: int
    """How many run it now."""


class ReleasePage(Page):
    """Releases, newest first."""

    items: list[Release]


class Observe(Resource):
    """When a new release counts as good on a device: whichever comes first."""

    inferences: Annotated[int, Field(ge=0, lt=1 << 31)] = 20
    seconds: Annotated[int, Field(ge=0, lt=1 << 31)] = 30


class PushRequest(Resource):
    """`fleet push`."""

    model: Name
    version: Version
    group: Name
    dry_run: bool = False
    allow_interface_change: bool = False
    retry_failed: bool = False
    observe: Observe = Observe()
    timeout: Annotated[int, Field(ge=1, lt=1 << 31)] = 3600
    """Seconds after which a device that is online counts as failed."""


class RollbackRequest(Resource):
    """`fleet rollback`: back to the release the group wanted before this one."""

    model: Name
    group: Name
    observe: Observe = Observe()


class RemoveRequest(Resource):
    """`fleet remove`: no device of the group keeps the model."""

    model: Name
    group: Name


class PlannedDevice(Resource):
    """What a push would mean for one device."""

    device: Name
    wave: int | None
    target: str | None
    """None when no module fits."""
    bytes: int
    """To be sent, as far as is known: chunks its installed release has are not counted."""
    online: bool
    reason: str
    """Why it does not fit, or what it runs now."""


class PushPlan(Resource):
    """`--dry-run`, and what a push begins with."""

    model: Name
    version: Version
    group: Name
    manifest: HexDigest
    waves: list[str]
    devices: list[PlannedDevice]
    publish_bytes: int
    """Bytes the controller would publish, once."""


class Started(Resource):
    """A rollout has begun."""

    rollout: int
    plan: PushPlan


class RolloutDevice(Resource):
    """One device in a rollout."""

    device: Name
    wave: int
    state: DeviceState
    online: bool
    target: str
    have: int = 0
    size: int = 0
    reused: int = 0
    received: int = 0
    golden: tuple[int, int] | None = None
    p95_us: int | None = None
    previous_p95_us: int | None = None
    running: str | None = None
    fault: Fault | None = None


class Wave(Resource):
    """Devices that move together."""

    number: int
    name: str
    state: Literal["waiting", "running", "done", "failed"]
    devices: int
    counts: dict[str, int]
    """`DeviceState` to how many."""
    started: int | None
    ended: int | None


class Rollout(Resource):
    """A plan that moves a group to a release, and how far it is."""

    id: int
    revision: int
    """Grows with every change; `GET /rollouts/{id}?after=REVISION&wait=SECONDS` returns when it has."""
    kind: Literal["push", "rollback", "remove"]
    state: RolloutState
    model: Name
    version: Version | None
    group: Name
    created: int
    ended: int | None
    waves: list[Wave]
    devices: list[RolloutDevice]
    unfit: list[PlannedDevice]
    sent: int
    """Bytes of the module devices received in this rollout."""
    saved: int
    """Bytes they had already."""
    outcome: str
    """One sentence: how it stands, or how it ended and why."""


class RolloutPage(Page):
    """Rollouts, newest first."""

    items: list[Rollout]


class Event(Resource):
    """Something that happened to a device."""

    at: int
    device: Name | None
    kind: str
    text: str


class Why(Resource):
    """`fleet why`: what a device runs, should run, how it came to that, and what would change it."""

    device: Name
    summary: list[str]
    events: list[Event]
    remedies: list[str]


class Attention(Resource):
    """A device that needs a person."""

    device: Name
    state: str
    text: str
    since: int


class GroupModel(Resource):
    """A line of the status table."""

    group: Name
    devices: int
    online: int
    model: str
    running: dict[str, int]
    """Version to number of devices."""
    wanted: str | None
    rate: float
    """Inferences per second."""


class Status(Resource):
    """`fleet status`."""

    at: int
    devices: int
    online: int
    stale: int
    failed: int
    rollouts: list[Rollout]
    """Those that run, or ended within the last minutes."""
    attention: list[Attention]
    groups: list[GroupModel]


ENDPOINTS = """
GET    /health                                 200 {"status": "ok"}; no token
GET    /api/v1/info                            Info
GET    /api/v1/roots/{n}                       RootUpload          n or "latest"
POST   /api/v1/roots                           RootUpload -> Info
POST   /api/v1/director/next                   DirectorKey         the key for the next root
POST   /api/v1/devices                         DeviceCreate -> 201 Enrolment
GET    /api/v1/devices?group=&cursor=&limit=   DevicePage
GET    /api/v1/devices/{name}                  Device
DELETE /api/v1/devices/{name}                  204
PUT    /api/v1/devices/{name}/labels           Labels -> Device
POST   /api/v1/devices/{name}/claim            Claim -> Claimed; no bearer token, the claim's own
POST   /api/v1/devices/{name}/certificate      RenewalRequest -> Credentials; no bearer token, a MAC
GET    /api/v1/devices/{name}/why              Why
POST   /api/v1/devices/{name}/profiles         ProfileRequest -> 201 DeviceProfile
GET    /api/v1/devices/{name}/profiles/{id}?wait=  DeviceProfile (long poll)
PATCH  /api/v1/groups/{name}                   GroupChange -> Group
GET    /api/v1/groups                          list[Group]
GET    /api/v1/groups/{name}                   Group
DELETE /api/v1/groups/{name}                   204
POST   /api/v1/releases/reserve                Reserve -> Reservation
POST   /api/v1/blobs/missing                   Digests -> Digests
PUT    /api/v1/blobs/{sha256}                  bytes -> 204
GET    /api/v1/blobs/{sha256}                  bytes
POST   /api/v1/releases                        ReleaseUpload -> 201 Release
GET    /api/v1/releases?model=&cursor=&limit=  ReleasePage
GET    /api/v1/releases/{model}/{version}      Release
POST   /api/v1/releases/{model}/{version}/withdraw   Release
GET    /api/v1/releases/{model}/{version}/content-key  ContentKey      of a reserved version, too
POST   /api/v1/pushes                          PushRequest -> PushPlan (dry_run) or 201 Started
POST   /api/v1/rollbacks                       RollbackRequest -> 201 Started
POST   /api/v1/removals                        RemoveRequest -> 201 Started
GET    /api/v1/rollouts?cursor=&limit=         RolloutPage
GET    /api/v1/rollouts/{id}?after=&wait=      Rollout (long poll)
POST   /api/v1/rollouts/{id}/{pause|resume|stop|back}  Rollout
GET    /api/v1/status                          Status
GET    /api/v1/events?device=&after=&limit=    list[Event]
GET    /api/v1/me                              access.Me
POST   /api/v1/tokens                          access.TokenCreate -> 201 access.NewToken
GET    /api/v1/tokens                          list[access.Token]
DELETE /api/v1/tokens/{name}                   204
POST   /api/v1/apps                            access.AppCreate -> 201 access.NewApp
GET    /api/v1/apps                            list[access.App]
DELETE /api/v1/apps/{name}                     204
GET    /api/v1/audit?cursor=&limit=            access.AuditPage
"""
"""Method, path, and what goes in and out. Writes take an `Idempotency-Key` header."""
