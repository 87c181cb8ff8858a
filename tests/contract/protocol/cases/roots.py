"""R1 and R2: the chain of roots."""

from protocol import cbor, cose
from protocol.documents import Role
from protocol.keys import EDDSA
from protocol.trust import MANIFEST, ROOT, TrustState
from tests.contract.protocol.cases.form import (
    BOARD,
    CBOR,
    COSE,
    MESSAGE,
    ROOT_UNSIGNED,
    Case,
    accept,
    case,
    refuse,
)
from tests.support.simulator import DEVICE, NOW, Repository, digest, key, sign

_Y_MINUS_1 = (2**255 - 20).to_bytes(32, "little")


def cases() -> list[Case]:
    return [*_enrol(), *_update()]


def _state(root: bytes, **change: object) -> bytes:
    return TrustState(device=DEVICE, root=root, **change).encode()


def _enrol() -> list[Case]:
    owner = Repository()
    two = Repository(
        signers={"root": ("root", "root-b", "hsm"), "release": ("release",), "director": ("d",)},
        thresholds={"root": 2},
    )
    document = owner.root_document()
    other = key("other").public

    def altered(**change: object) -> bytes:
        return owner.root(**change)

    def enrol(name: str, root: bytes, expect: Case, algorithms: tuple[int, ...] | None = None) -> Case:
        return case(name, "enrol", expect, device=DEVICE, algorithms=algorithms, document=root)

    good, both = owner.root(), two.root(("root", "hsm"))
    bad_point = {1: 1, 3: EDDSA, -1: 6, -2: _Y_MINUS_1}
    bad_id = digest(cbor.encode(bad_point))[:8]
    unlisted = {role: value for role, value in document.roles.items() if role != "director"}
    return [
        enrol("one key for each role", good, accept(state=_state(good))),
        enrol("two of three root keys, one of them P-256", both, accept(state=_state(both))),
        enrol("a board: one of two signatures is ES256", both, ROOT_UNSIGNED, BOARD),
        enrol(
            "a board: both Ed25519 keys, and an HSM beside them",
            two.root(("root", "root-b", "hsm")),
            accept(),
            BOARD,
        ),
        enrol("below the threshold of its own keys", two.root(("root",)), ROOT_UNSIGNED),
        enrol("one key signs twice", two.root(("root", "root")), ROOT_UNSIGNED),
        enrol("signed by a key it does not list", owner.root(("other",)), ROOT_UNSIGNED),
        enrol("signed as another kind of document", owner.root(kind=MANIFEST), ROOT_UNSIGNED),
        enrol("a role is missing", altered(roles=unlisted), refuse("trust", 1, "root-roles")),
        enrol(
            "an unknown role",
            altered(roles=document.roles | {"cook": document.roles["root"]}),
            refuse("trust", 1, "root-roles"),
        ),
        enrol(
            "a role lists a key that is not there",
            altered(roles=document.roles | {"release": Role(threshold=1, keys=(other.id,))}),
            refuse("trust", 1, "root-keys"),
        ),
        enrol(
            "a role lists a key twice",
            altered(
                roles=document.roles | {"release": Role(threshold=2, keys=(key("release").public.id,) * 2)}
            ),
            refuse("trust", 1, "root-keys"),
        ),
        enrol(
            "a threshold above the number of keys",
            altered(roles=document.roles | {"release": Role(threshold=2, keys=(key("release").public.id,))}),
            refuse("trust", 1, "root-threshold"),
        ),
        enrol(
            "a key under another's id",
            altered(keys=document.keys | {other.id: key("root").public.to_cose()}),
            refuse("trust", 1, "root-keys"),
        ),
        enrol("a key of small order", altered(keys=document.keys | {bad_id: bad_point}), refuse("key")),
        enrol(
            "a key with an extra parameter",
            altered(keys=document.keys | {other.id: other.to_cose() | {2: b"x"}}),
            refuse("key"),
        ),
        enrol(
            "a threshold of zero",
            _patched(owner, 5, "release", {1: 0, 2: [key("release").public.id]}),
            MESSAGE,
        ),
        enrol(
            "a threshold that is true",
            _patched(owner, 5, "release", {1: True, 2: [key("release").public.id]}),
            MESSAGE,
        ),
        enrol("a key type that is true", _patched(owner, 4, other.id, other.to_cose() | {1: True}), MESSAGE),
        enrol(
            "an algorithm that is a float", _patched(owner, 4, other.id, other.to_cose() | {3: -8.0}), MESSAGE
        ),
        enrol("version 0", _field(owner, {1: 0}), MESSAGE),
        enrol("an unknown key", _field(owner, {20: "later"}), accept()),
        enrol("an unknown critical key", _field(owner, {-1: "later"}), MESSAGE),
        enrol("an unknown text key", sign(ROOT, _retyped(owner), ("root",)), CBOR),
        enrol("fields by their names", sign(ROOT, cbor.encode(_by_name(owner)), ("root",)), MESSAGE),
        enrol("larger than 16 KiB", owner.root(floors={f"model-{i}": i for i in range(1500)}), CBOR),
    ]


def _field(owner: Repository, change: dict[int, object]) -> bytes:
    return sign(ROOT, cbor.encode(owner.root_document().to_wire() | change), ("root",))


def _patched(owner: Repository, field: int, entry: object, value: object) -> bytes:
    wire = owner.root_document().to_wire()
    return _field(owner, {field: wire[field] | {entry: value}})


def _retyped(owner: Repository) -> bytes:
    """An integer-keyed map with one text key more, as another encoder would write it."""
    plain = cbor.encode(owner.root_document().to_wire())
    return bytes([plain[0] + 1]) + plain[1:] + cbor.encode("x") + cbor.encode(1)


def _by_name(owner: Repository) -> dict[str, object]:
    wire = owner.root_document().to_wire()
    return {name: wire[number] for number, name in type(owner.root_document()).wire_names.items()}


def _update() -> list[Case]:
    def fresh() -> Repository:
        return Repository(floors={"crop-model": 2})

    owner = fresh()
    first = owner.root()
    ahead = {"generation": 2**63 - 1, "issued": NOW, "min_root": 1, "assignment": owner.assignment(2**63 - 1)}
    counted = {"generation": 7, "issued": NOW, "min_root": 1, "assignment": owner.assignment(7)}
    same = fresh().rotate("release", "release-b")
    replaced = fresh().rotate("director", "director-b")
    added = fresh().rotate("director", "director", "director-b")
    rooted = fresh().rotate("root", "root-b")
    skipped = fresh()
    skipped.rotate("release", "release-b")
    third = skipped.rotate("release", "release-c")
    new_root = fresh()
    new_root.signers["root"], new_root.version = ("root-b",), 2

    def update(name: str, expect: Case, document: bytes, **change: object) -> Case:
        return case(name, "update_root", expect, state=_state(first, **change), document=document)

    return [
        update("the next root", accept(state=_state(same)), same),
        update(
            "the next root keeps generation and assignment",
            accept(state=_state(same, **counted)),
            same,
            **counted,
        ),
        update("a root that replaces the root key", accept(state=_state(rooted)), rooted),
        update(
            "a root that replaces the director resets the counts",
            accept(state=_state(replaced)),
            replaced,
            **ahead,
        ),
        update(
            "a root that adds a director does not", accept(state=_state(added, **counted)), added, **counted
        ),
        update(
            "floors outlive a new director",
            accept(state=_state(replaced, floors={"crop-model": 4})),
            replaced,
            floors={"crop-model": 4},
            **ahead,
        ),
        update("a version is skipped", refuse("trust", 1, "root-version"), third),
        update("the same version again", refuse("trust", 1, "root-version"), first),
        update("signed by the new root key only", ROOT_UNSIGNED, new_root.root(("root-b",))),
        update("signed by the old root key only", ROOT_UNSIGNED, new_root.root(("root",))),
        update("signed by the director", ROOT_UNSIGNED, new_root.root(("director",))),
        case(
            "back to an older root",
            "update_root",
            refuse("trust", 1, "root-version"),
            state=_state(same),
            document=first,
        ),
        update(
            "a COSE_Sign1 instead of a COSE_Sign",
            COSE,
            cose.sign1(ROOT, owner.root_document(version=2).encode(), key("root")),
        ),
    ]
