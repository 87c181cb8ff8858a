"""R3, R8 to R11: which release a device installs, and which module of it."""

from protocol import cbor
from protocol.documents import Capabilities, Manifest
from protocol.trust import ASSIGNMENT, MANIFEST, TrustState
from tests.contract.protocol.cases.form import BOARD, MESSAGE, UNSIGNED, Case, accept, case, refuse
from tests.support.simulator import DEVICE, MODEL, Repository, digest, sign, target

_WASM = b"\0asm\1\0\0\0"


def cases() -> list[Case]:
    return [*_manifests(), *_targets(), *_modules()]


def _manifests() -> list[Case]:
    owner = Repository()
    two = Repository(
        signers=owner.signers | {"release": ("release", "release-b", "hsm")}, thresholds={"release": 2}
    )
    floored = Repository(floors={MODEL: 6})

    def check(
        name: str,
        document: bytes,
        expect: Case,
        *,
        wanted: bytes | None = None,
        by: Repository = owner,
        algorithms: tuple[int, ...] | None = None,
        **change: object,
    ) -> Case:
        state = TrustState(device=DEVICE, root=by.root(), **change).encode()
        named = owner.manifest_digest() if wanted is None else wanted
        inputs = {"state": state, "algorithms": algorithms, "model": MODEL, "wanted": named}
        return case(name, "check_manifest", expect, **inputs, document=document)

    def altered(name: str, change: dict[int, object], expect: Case) -> Case:
        payload = cbor.encode(owner.manifest_document().to_wire() | change)
        return check(name, sign(MANIFEST, payload, ("release",)), expect, wanted=digest(payload))

    good, other = owner.manifest(), owner.manifest(model="frost")
    floor = refuse("trust", 10, "below-floor")
    wrong = refuse("trust", 8, "digest")
    return [
        check("a release", good, accept()),
        check("at the floor", good, accept(), floors={MODEL: 5}),
        check("another model's floor is higher", good, accept(), floors={"frost": 9}),
        check(
            "two of three release keys, one of them P-256",
            two.manifest(5, ("release", "hsm")),
            accept(),
            by=two,
        ),
        check(
            "a board: two of three release keys, one of them P-256",
            two.manifest(5, ("release", "hsm")),
            UNSIGNED,
            by=two,
            algorithms=BOARD,
        ),
        check(
            "a board: signed by both Ed25519 keys and the P-256 key",
            two.manifest(5, ("hsm", "release", "release-b")),
            accept(),
            by=two,
            algorithms=BOARD,
        ),
        check("below the floor confirmed on the device", good, floor, floors={MODEL: 6}),
        check("below the floor in the root", good, floor, by=floored),
        check("below its own floor", owner.manifest(floor=6), floor, wanted=owner.manifest_digest(floor=6)),
        check("another release than assigned", owner.manifest(6), wrong),
        check(
            "mix-and-match: another model's release",
            other,
            refuse("trust", 8, "mix-and-match"),
            wanted=owner.manifest_digest(model="frost"),
        ),
        check("one of two release keys", two.manifest(5, ("release",)), UNSIGNED, by=two),
        check("one release key signs twice", two.manifest(5, ("release", "release")), UNSIGNED, by=two),
        check("signed by the director", owner.manifest(5, ("director",)), UNSIGNED),
        check("signed by a revoked key", owner.manifest(5, ("release-old",)), UNSIGNED),
        check("signed as an assignment", owner.manifest(kind=ASSIGNMENT), UNSIGNED),
        altered("an unknown key", {9: b"later"}, accept()),
        altered("an unknown critical key", {-9: b"later"}, MESSAGE),
        altered("a target name that climbs", {7: {"../simd": target("simd").to_wire()}}, MESSAGE),
        altered("a version with a slash", {2: "1/2"}, MESSAGE),
        altered("a size that is a float", {7: {"simd": target("simd").to_wire() | {1: 20000.0}}}, MESSAGE),
        altered(
            "an ABI range of one number", {7: {"simd": target("simd").to_wire() | {4: [65536]}}}, MESSAGE
        ),
        altered("classes that are one text", {5: "linux"}, MESSAGE),
    ]


def _targets() -> list[Case]:
    owner = Repository()

    def choose(name: str, expect: Case, *, manifest: Manifest | None = None, **change: object) -> Case:
        values: dict[str, object] = {
            "device_class": "linux",
            "targets": ("simd", "mvp"),
            "abi": 0x10000,
            "memory": 1 << 20,
            "agent": "0.1.0",
        }
        return case(
            name,
            "choose_target",
            expect,
            document=(manifest or owner.manifest_document()).encode(),
            capabilities=Capabilities(**values | change).encode(),
        )

    no_fit = refuse("trust", 9, "no-fit")
    big = {"simd": target("simd", memory=1 << 21), "mvp": target("mvp")}
    return [
        choose("the device's first choice", accept(target="simd")),
        choose("a newer minor ABI of the device", accept(target="simd"), abi=0x10005),
        choose(
            "the second choice, the first is too large",
            accept(target="mvp"),
            manifest=owner.manifest_document(targets=big),
        ),
        choose("of another class", refuse("trust", 9, "wrong-class"), device_class="mcu"),
        choose("no target in common", no_fit, targets=("mcu",)),
        choose("no target at all", no_fit, targets=()),
        choose("an older ABI of the device", no_fit, abi=0xFFFF),
        choose("a newer major ABI of the device", no_fit, abi=0x20000),
        choose("one byte short of memory", no_fit, memory=131_071),
    ]


def _modules() -> list[Case]:
    good = target("simd", size=len(_WASM), sha256=digest(_WASM)).encode()

    def module(name: str, wasm: bytes, expect: Case) -> Case:
        return case(name, "check_module", expect, target=good, document=wasm)

    return [
        module("the module", _WASM, accept()),
        module("a byte more", _WASM + b"\0", refuse("trust", 11, "size")),
        module("a byte less", _WASM[:-1], refuse("trust", 11, "size")),
        module("a byte changed", _WASM[:-1] + b"\1", refuse("trust", 11, "digest")),
    ]
