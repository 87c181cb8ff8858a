"""An owner who signs, and an attacker who owns the broker: what each may do, and what was truly signed.

The attacker hears everything, keeps it for ever, delivers what it likes when it likes, changes and joins
what it has, and holds some stolen keys: one of three root keys, one of three release keys, and any director
key. `Owner.truth` is kept apart from the verifier, so that its answers can be judged by it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from protocol import cbor, cose
from protocol.documents import Assignment, Desired, Manifest
from protocol.trust import ASSIGNMENT, MANIFEST, ROOT
from tests.support.simulator import DAY, DEVICE, MODEL, NOW, Repository, digest, sign, target

OTHER = "dev-0043"


@dataclass
class Truth:
    """What the owner has signed, by payload or digest."""

    roots: set[bytes] = field(default_factory=set)
    assignments: set[bytes] = field(default_factory=set)
    manifests: dict[bytes, Manifest] = field(default_factory=dict)
    modules: dict[bytes, bytes] = field(default_factory=dict)
    """The module of each manifest, by the manifest's digest."""


class Owner:
    """Signs roots, releases and assignments with enough keys, and publishes them."""

    def __init__(self) -> None:
        self.repository = Repository(
            signers={
                "root": ("root-1", "root-2", "root-3"),
                "release": ("release-1", "release-2", "release-3"),
                "director": ("director-1",),
            },
            thresholds={"root": 2, "release": 2},
            expires=NOW + 3000 * DAY,
        )
        self.truth = Truth()
        self.generation = 0
        self._made = 3
        self.published: list[bytes] = []
        self.first_root = self._root(self.repository.root(self.repository.signers["root"][:2]))

    def _root(self, document: bytes) -> bytes:
        self.truth.roots.add(payload(document))
        self.published.append(document)
        return document

    def rotate(self, role: str) -> None:
        """Replace the first key of a role: all of the director's, one of three else."""
        self._made += 1
        names = self.repository.signers[role]
        self._root(self.repository.rotate(role, *names[1:], f"{role}-{self._made}"))

    def release(self, *, withdraw: bool, model: str = MODEL) -> bytes:
        """A new release of a model; with `withdraw`, none before it may come back."""
        sequence = len(self.truth.manifests) + 1
        wasm = b"\0asm\1\0\0\0" + digest(f"{model} {sequence}")
        made = self.repository.manifest_document(
            sequence,
            model=model,
            floor=sequence if withdraw else 0,
            targets={"simd": target("simd", size=len(wasm), sha256=digest(wasm))},
        )
        name = digest(made.encode())
        self.truth.manifests[name], self.truth.modules[name] = made, wasm
        self.published.append(sign(MANIFEST, made.encode(), self.repository.signers["release"][:2]))
        return name

    def assign(self, name: bytes, *, device: str, now: int) -> None:
        """The director's order that a device shall run a release."""
        self.generation += 1
        models = {self.truth.manifests[name].model: Desired(manifest=name)}
        document = self.repository.assignment(
            self.generation, device=device, models=models, issued=now, expires=now + 7 * DAY
        )
        self.truth.assignments.add(payload(document))
        self.published.append(document)


@dataclass
class Attacker:
    """Holds what it heard, what it made of it, and stolen keys."""

    air: list[bytes] = field(default_factory=list)
    stolen: dict[str, list[str]] = field(
        default_factory=lambda: {"root": [], "release": [], "director": [], "own": ["attacker"]}
    )

    def steal(self, role: str, names: Iterable[str]) -> None:
        """One key: of root and release only one ever, which is below their thresholds."""
        held = self.stolen[role]
        if role == "director" or not held:
            held.append(next(iter(names)))

    def all_keys(self) -> list[str]:
        return [name for names in self.stolen.values() for name in names]

    def forge_manifest(self, honest: Repository, *, sequence: int, twice: bool) -> tuple[bytes, bytes, bytes]:
        """A release of the attacker's own: its digest, the document and the module."""
        wasm = b"\0asm\1\0\0\0" + digest("evil")
        fits = {"simd": target("simd", size=len(wasm), sha256=digest(wasm))}
        made = honest.manifest_document(sequence, floor=0, targets=fits).encode()
        document = sign(MANIFEST, made, self.all_keys() * (2 if twice else 1))
        self.air.append(document)
        return digest(made), document, wasm

    def forge_assignment(self, name: bytes, *, generation: int, min_root: int, now: int) -> None:
        made = Assignment(
            device=DEVICE, generation=generation, models={MODEL: Desired(manifest=name)}, min_root=min_root,
            issued=now, expires=now + 3000 * DAY,
        )  # fmt: skip
        self.air.append(sign(ASSIGNMENT, made.encode(), self.all_keys()))

    def forge_root(self, honest: Repository, *, version: int) -> None:
        """The attacker's own key as every role."""
        mine = Repository(dict.fromkeys(("root", "release", "director"), ("attacker",)), version=version)
        made = mine.root_document(expires=honest.expires).encode()
        self.air.append(sign(ROOT, made, [*self.all_keys(), "attacker", "root-thief"]))

    def splice(self, one: bytes, other: bytes) -> None:
        """The signatures of one document under the payload of another, or both documents' signatures."""
        a, b = cbor.decode(one[2:]), cbor.decode(other[2:])
        self.air.append(cose.TAG_SIGN + cbor.encode([b"", {}, a[2], b[3]]))
        self.air.append(cose.TAG_SIGN + cbor.encode([b"", {}, a[2], [*a[3], *b[3]][:16]]))
        self.air.append(cose.TAG_SIGN + cbor.encode([b"", {}, a[2], [a[3][0]] * 4]))

    def change(self, document: bytes, place: int, value: int) -> None:
        """One byte of a document."""
        data = bytearray(document)
        data[place % len(data)] ^= value
        self.air.append(bytes(data))


def payload(document: bytes) -> bytes:
    """The payload of a COSE_Sign, unverified."""
    return cose.parse(document, max_payload=16384).payload
