"""The rules by which a device decides what it runs. Pure: bytes and a clock in, a new state out.

Rules, in the order in which they are applied; each error names its rule:

 R1  A root is accepted if it is version n+1 of root n, and is signed by the threshold of root keys
     of root n and by the threshold of its own. The first root is given at enrolment.
 R2  A root that replaces the director's keys, so that fewer than its threshold are left of those of
     its predecessor, sets generation and min_root to zero: so the owner recovers from a stolen
     director key that counted far ahead. Every older assignment is void under such a root, and none
     can be replayed; under a root that only adds a key they are not, so the counts stay.
 R3  A document counts only signatures by keys that the current root lists for its role, each key
     once, each with the key's own algorithm, over the document's kind; they reach its threshold.
 R4  An assignment names this device.
 R5  An assignment's generation is not lower than the accepted one; at the same generation it was
     issued later, or is the same. Its min_root is not lower than the accepted one.
 R6  An assignment whose min_root is above the device's root waits until that root has arrived.
 R7  Nothing is installed under an expired assignment or an expired root. What runs goes on running.
 R8  A manifest's digest is the one the assignment names, and its model the assignment's.
 R9  A manifest lists the device's class, and a target whose ABI range, memory and name the device has.
 R10 A manifest's sequence is not below the highest floor ever confirmed for the model on this
     device, nor below the root's floor for it, nor below its own.
 R11 Size, module digest, index digest and every chunk digest hold before a byte is activated
     (`protocol.chunks`, and `check_module` here), and the module says of itself what the manifest
     says of it (`check_meta`).
 R12 A command is for this device and this time, and is carried out once (`protocol.commands`).
 R13 A device without a clock installs nothing before the director has answered a nonce that it asked
     since it started, and nothing under an assignment older than that answer (`protocol.freshness`).
 R14 A release whose manifest names a content key is installed only with that key, which the assignment
     carries wrapped for this device; a chunk opens at its own place only (`protocol.confidential`).
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Self

from protocol import cose
from protocol.documents import (
    MAX_ASSIGNMENT,
    MAX_MANIFEST,
    MAX_NONCE_ANSWER,
    MAX_ROOT,
    ROLES,
    Assignment,
    Capabilities,
    Manifest,
    NonceAnswer,
    Root,
    Target,
)
from protocol.errors import RefusedError
from protocol.keys import EDDSA, ES256, PublicKey
from protocol.message import Key, Message, Name, Seconds, Uint
from protocol.module import ModuleMeta

ROOT, MANIFEST, ASSIGNMENT, NONCE, REPORT, TELEMETRY = (
    "root", "manifest", "assignment", "nonce", "report", "telemetry",
)  # fmt: skip
"""Kinds of documents, as `external_aad` names them."""


class TrustError(RefusedError):
    """A document that a rule refuses. `rule` is the rule's number, `code` one word for programs."""

    def __init__(self, rule: int, code: str, what: str, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.rule = rule
        self.code = code


class TrustState(Message):
    """What a device must not forget, and must store before it acts on it."""

    device: Annotated[Name, Key(1)]
    root: Annotated[bytes, Key(2)]
    """The current root, signed."""
    generation: Annotated[Uint, Key(3)] = 0
    issued: Annotated[Seconds, Key(4)] = 0
    min_root: Annotated[Uint, Key(5)] = 0
    assignment: Annotated[bytes | None, Key(6)] = None
    """The accepted assignment, signed."""
    floors: Annotated[dict[Name, Uint], Key(7)] = {}
    """Highest floor ever confirmed for a model; outlives the model's removal."""


@dataclass(frozen=True)
class Verifier:
    """Applies the rules to a state.

    Every method is pure; those that change something return a new verifier, whose `state` the
    caller stores before acting.

    Attributes:
        state: What the device knows.
        algorithms: COSE algorithms it accepts; a board takes Ed25519 only.
    """

    state: TrustState
    algorithms: frozenset[int] = frozenset({EDDSA, ES256})

    @classmethod
    def enrol(cls, device: str, root: bytes, algorithms: frozenset[int] = frozenset({EDDSA, ES256})) -> Self:
        """Start from the root given at enrolment, which must be signed by itself.

        Raises:
            TrustError: it is not (R1).
        """
        verifier = cls(TrustState(device=device, root=root), algorithms)
        document, signed = _parse_root(root)
        verifier._require(ROOT, signed, document, "root", rule=1)
        return verifier

    @property
    def root(self) -> Root:
        """The current root."""
        return _parse_root(self.state.root)[0]

    def update_root(self, data: bytes) -> Self:
        """R1, R2: step to the next root.

        Raises:
            TrustError: not the next version, or not signed by both.
        """
        old = self.root
        new, signed = _parse_root(data)
        if new.version != old.version + 1:
            raise TrustError(1, "root-version", f"root {new.version} does not follow root {old.version}")
        self._require(ROOT, signed, old, "root", rule=1)
        self._require(ROOT, signed, new, "root", rule=1)
        change: dict[str, object] = {"root": data}
        director = new.roles["director"]
        if len(set(director.keys) & set(old.roles["director"].keys)) < director.threshold:
            change |= {"generation": 0, "issued": 0, "min_root": 0, "assignment": None}
        return self._with(**change)

    def accept_assignment(self, data: bytes, now: int) -> tuple[Self, Assignment]:
        """R3 to R7 for a new assignment.

        Args:
            data: The signed assignment.
            now: Trusted time, seconds since 1970-01-01 UTC.

        Raises:
            TrustError: a rule refuses it.
        """
        signed = cose.parse(data, max_payload=MAX_ASSIGNMENT)
        self._require(ASSIGNMENT, signed, self.root, "director", rule=3)
        assignment = Assignment.decode(signed.payload)
        state = self.state
        if assignment.device != state.device:
            raise TrustError(4, "wrong-device", f"assignment is for {assignment.device}, not {state.device}")
        if assignment.generation < state.generation:
            raise TrustError(
                5,
                "older-generation",
                f"assignment has generation {assignment.generation}, "
                f"older than the accepted {state.generation}",
            )
        same = (
            state.assignment is not None
            and cose.parse(state.assignment, max_payload=MAX_ASSIGNMENT).payload == signed.payload
        )
        if assignment.generation == state.generation and assignment.issued <= state.issued and not same:
            raise TrustError(
                5,
                "replay",
                f"assignment of generation {assignment.generation} was issued before the accepted",
            )
        if assignment.min_root < state.min_root:
            raise TrustError(
                5, "older-root", f"assignment asks for root {assignment.min_root}, less than {state.min_root}"
            )
        if assignment.min_root > self.root.version:
            raise TrustError(
                6,
                "root-behind",
                f"assignment needs root {assignment.min_root}, this device has {self.root.version}",
                remedy="it is fetched; the assignment waits",
            )
        self.check_fresh(assignment, now)
        accepted = self._with(
            generation=assignment.generation,
            issued=assignment.issued,
            min_root=assignment.min_root,
            assignment=data,
        )
        return accepted, assignment

    def check_fresh(self, assignment: Assignment, now: int) -> None:
        """R7: nothing is installed under an expired assignment or root.

        Raises:
            TrustError: one of them has expired at `now`.
        """
        if now >= assignment.expires:
            raise TrustError(
                7,
                "expired",
                f"assignment of generation {assignment.generation} expired {now - assignment.expires} s ago "
                "by this device's clock",
                remedy="check the device's clock, and that the controller runs: it renews assignments",
            )
        if now >= self.root.expires:
            raise TrustError(
                7,
                "root-expired",
                f"root {self.root.version} expired {now - self.root.expires} s ago",
                remedy="publish a newer root",
            )

    def is_stale(self, now: int) -> bool:
        """Whether the accepted assignment, or the root, has expired at `now`."""
        if self.state.assignment is None:
            return False
        try:
            self.check_fresh(self.assignment(), now)
        except TrustError:
            return True
        return False

    def assignment(self) -> Assignment:
        """The accepted assignment; an empty one of generation 0 before the first, and after R2.

        The empty one is no order to remove anything: `state.assignment` is None then, and what runs
        goes on running.
        """
        if self.state.assignment is None:
            return Assignment(
                device=self.state.device, generation=0, models={}, min_root=0, issued=0, expires=0
            )
        return Assignment.decode(cose.parse(self.state.assignment, max_payload=MAX_ASSIGNMENT).payload)

    def check_manifest(self, model: str, data: bytes, wanted: bytes) -> Manifest:
        """R3, R8, R10 for the manifest that an assignment wants for `model`.

        Args:
            model: Name under which the assignment lists it.
            data: The signed manifest.
            wanted: Digest from the assignment.

        Raises:
            TrustError: a rule refuses it.
        """
        signed = cose.parse(data, max_payload=MAX_MANIFEST)
        digest = hashlib.sha256(signed.payload).digest()
        if digest != wanted:
            raise TrustError(
                8,
                "digest",
                f"manifest is sha256:{digest.hex()[:8]}…, the assignment names {wanted.hex()[:8]}…",
            )
        root = self.root
        self._require(MANIFEST, signed, root, "release", rule=3)
        manifest = Manifest.decode(signed.payload)
        if manifest.model != model:
            raise TrustError(8, "mix-and-match", f"manifest is of {manifest.model}, assigned as {model}")
        floor = max(self.state.floors.get(model, 0), root.floors.get(model, 0), manifest.floor)
        if manifest.sequence < floor:
            raise TrustError(
                10,
                "below-floor",
                f"{model} {manifest.version} has sequence {manifest.sequence}, below the floor {floor}",
                remedy="it was withdrawn; push a newer release",
            )
        return manifest

    def confirm(self, manifest: Manifest) -> Self:
        """R10: remember the floor of a release that was confirmed."""
        floors = dict(self.state.floors)
        floors[manifest.model] = max(floors.get(manifest.model, 0), manifest.floor)
        return self._with(floors=floors)

    def open_nonce_answer(self, data: bytes, nonce: bytes) -> NonceAnswer:
        """R3 to R5 for the director's answer to this device's nonce.

        Raises:
            TrustError: it is for another device or nonce, or goes back in time; or the director needs
                several signatures, where this one form has only one.
            CoseError: it is not signed by the director.
        """
        root = self.root
        if root.roles["director"].threshold > 1:
            raise TrustError(3, "signature", "time answer has one signature, the director's role needs more")
        keys = self._keys(root, "director")
        answer = NonceAnswer.decode(cose.open1(NONCE, data, keys, max_payload=MAX_NONCE_ANSWER))
        if answer.device != self.state.device or answer.nonce != nonce:
            raise TrustError(4, "wrong-nonce", "time answer is not for this device's nonce")
        if answer.generation < self.state.generation or answer.min_root < self.state.min_root:
            raise TrustError(5, "older-generation", "time answer is older than the accepted assignment")
        return answer

    def open_signed(self, kind: str, data: bytes, role: str, *, max_payload: int) -> bytes:
        """R3 for a document of another module: its payload.

        Raises:
            TrustError: too few keys of the role have signed it.
        """
        signed = cose.parse(data, max_payload=max_payload)
        self._require(kind, signed, self.root, role, rule=3)
        return signed.payload

    def _keys(self, root: Root, role: str) -> dict[bytes, PublicKey]:
        keys = {kid: PublicKey.from_cose(root.keys[kid]) for kid in root.roles[role].keys}
        return {kid: key for kid, key in keys.items() if key.algorithm in self.algorithms}

    def _require(self, kind: str, signed: cose.Signed, root: Root, role: str, *, rule: int) -> None:
        """R3: enough of the role's keys have signed."""
        good = signed.signers(kind, self._keys(root, role))
        if len(good) >= root.roles[role].threshold:
            return
        strangers = sorted(
            {s.kid.hex() for s in signed.signatures} - {k.hex() for k in root.roles[role].keys}
        )
        if strangers:
            reason = (
                f"is signed by key {', '.join(strangers)}, "
                f"which root {root.version} does not list for role {role}"
            )
        else:
            reason = (
                f"has {len(good)} valid signatures for role {role}, {root.roles[role].threshold} are needed"
            )
        raise TrustError(rule, "signature", f"{kind} {reason}")

    def _with(self, **change: object) -> Self:
        return type(self)(self.state.model_copy(update=change), self.algorithms)


def _parse_root(data: bytes) -> tuple[Root, cose.Signed]:
    signed = cose.parse(data, max_payload=MAX_ROOT)
    return decode_root(signed.payload), signed


def decode_root(payload: bytes) -> Root:
    """Decode an unsigned root and check that its roles refer to keys that exist and are sound.

    Raises:
        TrustError: they do not (R1).
    """
    root = Root.decode(payload)
    if set(root.roles) != set(ROLES):
        raise TrustError(
            1, "root-roles", f"root {root.version} must list exactly the roles {', '.join(ROLES)}"
        )
    for kid, key in root.keys.items():
        if PublicKey.from_cose(key).id != kid:
            raise TrustError(
                1, "root-keys", f"root {root.version} lists a key under an id that is not its own"
            )
    for name, role in root.roles.items():
        if not set(role.keys) <= set(root.keys) or len(set(role.keys)) != len(role.keys):
            raise TrustError(
                1, "root-keys", f"root {root.version}: role {name} lists unknown or repeated keys"
            )
        if role.threshold > len(role.keys):
            raise TrustError(
                1, "root-threshold", f"root {root.version}: role {name} can never reach its threshold"
            )
    return root


def read_root(data: bytes) -> Root:
    """Decode a signed root without deciding whether to trust it."""
    return _parse_root(data)[0]


def choose_target(manifest: Manifest, capabilities: Capabilities) -> tuple[str, Target]:
    """R9: the best target of a release that a device can run.

    Used by the device to decide, and by the controller to foresee it.

    Raises:
        TrustError: none fits; the text says why for each.
    """
    if capabilities.device_class not in manifest.classes:
        raise TrustError(
            9,
            "wrong-class",
            f"{manifest.model} {manifest.version} is for {', '.join(manifest.classes) or 'no class'}, "
            f"this device is of class {capabilities.device_class}",
        )
    reasons = []
    for name in capabilities.targets:
        target = manifest.targets.get(name)
        if target is None:
            reasons.append(f"no module for {name}")
        elif not target.abi[0] <= capabilities.abi <= target.abi[1]:
            reasons.append(f"{name} needs module ABI {_abi(target.abi[0])} to {_abi(target.abi[1])}")
        elif target.memory > capabilities.memory:
            reasons.append(
                f"{name} needs {target.memory} B of memory, the device allows {capabilities.memory}"
            )
        else:
            return name, target
    raise TrustError(9, "no-fit", f"{manifest.model} {manifest.version} does not fit: {'; '.join(reasons)}")


def _abi(value: int) -> str:
    return f"{value >> 16}.{value & 0xFFFF}"


def check_meta(meta: ModuleMeta, manifest: Manifest, name: str) -> None:
    """R11: a module's metadata say what the manifest says of its target `name`.

    Raises:
        TrustError: they differ; the module was put into the wrong release.
    """
    target = manifest.targets[name]
    said = (meta.name, meta.version, meta.target, meta.memory)
    expected = (manifest.model, manifest.version, name, target.memory)
    if said != expected:
        raise TrustError(
            11,
            "metadata",
            f"module is {said[0]} {said[1]} for {said[2]} with {said[3]} B of memory, "
            f"the manifest says {expected[0]} {expected[1]} for {expected[2]} with {expected[3]} B",
        )
    if not target.abi[0] <= meta.abi <= target.abi[1]:
        raise TrustError(
            11, "metadata", f"module has ABI {_abi(meta.abi)}, which the manifest does not allow"
        )


def check_module(wasm: bytes, target: Target) -> None:
    """R11: the assembled module is the one the manifest names.

    Raises:
        TrustError: its size or digest differs.
    """
    if len(wasm) != target.size:
        raise TrustError(11, "size", f"module has {len(wasm)} bytes, the manifest says {target.size}")
    if hashlib.sha256(wasm).digest() != target.sha256:
        raise TrustError(11, "digest", f"module is not sha256:{target.sha256.hex()[:8]}…")
