"""R3 to R7: what a director may order, and time for devices without a clock."""

from protocol import cbor, cose
from protocol.documents import Desired
from protocol.trust import ASSIGNMENT, MANIFEST, NONCE, TrustState
from tests.contract.protocol.cases.form import CBOR, COSE, MESSAGE, UNSIGNED, Case, accept, case, refuse
from tests.support.simulator import DAY, DEVICE, MODEL, NOW, Repository, key, sign

_NONCE = bytes(range(16))


def _state(owner: Repository, **change: object) -> bytes:
    return TrustState(device=DEVICE, root=owner.root(), **change).encode()


def _accepted(owner: Repository, data: bytes, generation: int, issued: int = NOW - 60) -> dict[str, object]:
    return {"generation": generation, "issued": issued, "min_root": 1, "assignment": data}


def cases() -> list[Case]:
    return [*_assignments(), *_envelopes(), *_nonces()]


def _assignments() -> list[Case]:
    owner = Repository()
    two = Repository(
        signers=owner.signers | {"director": ("director", "director-b")}, thresholds={"director": 2}
    )
    good, later = owner.assignment(3), owner.assignment(3, issued=NOW)
    held = _accepted(owner, good, 3)

    def offer(
        name: str, document: bytes, expect: Case, *, now: int = NOW, by: Repository = owner, **change: object
    ) -> Case:
        return case(name, "accept_assignment", expect, state=_state(by, **change), now=now, document=document)

    def order(
        name: str, expect: Case, *, now: int = NOW, held: dict[str, object] | None = None, **change: object
    ) -> Case:
        return offer(name, owner.assignment(3, **change), expect, now=now, **held or {})

    wire = owner.assignment_document(3).to_wire()

    def wired(change: dict[int, object]) -> bytes:
        return sign(ASSIGNMENT, cbor.encode(wire | change), ("director",))

    both = two.assignment(3)
    critical = cbor.encode(wire | {3: {MODEL: {1: owner.manifest_digest(), 2: "serve", -1: b"wrapped key"}}})
    return [
        offer("the first assignment", good, accept(state=_state(owner, **held))),
        offer("the same again", good, accept(state=_state(owner, **held)), **held),
        offer(
            "signed anew at the same generation",
            later,
            accept(state=_state(owner, **_accepted(owner, later, 3, NOW))),
            **held,
        ),
        offer(
            "a newer generation, issued earlier",
            owner.assignment(4, issued=NOW - DAY),
            accept(
                state=_state(owner, **_accepted(owner, owner.assignment(4, issued=NOW - DAY), 4, NOW - DAY))
            ),
            **held,
        ),
        offer("signed by both directors", both, accept(state=_state(two, **_accepted(two, both, 3))), by=two),
        offer("no models", owner.assignment(3, models={}), accept()),
        order("for another device", refuse("trust", 4, "wrong-device"), device="dev-0043"),
        offer("an older generation", owner.assignment(2), refuse("trust", 5, "older-generation"), **held),
        offer(
            "issued before the accepted one",
            good,
            refuse("trust", 5, "replay"),
            **_accepted(owner, later, 3, NOW),
        ),
        offer(
            "another one, issued at the same moment",
            owner.assignment(3, models={}),
            refuse("trust", 5, "replay"),
            **held,
        ),
        offer(
            "asks for an older root",
            owner.assignment(4, min_root=0),
            refuse("trust", 5, "older-root"),
            **held,
        ),
        order("needs a newer root", refuse("trust", 6, "root-behind"), min_root=2),
        order("one second before it expires", accept(), now=NOW + 7 * DAY - 1),
        order("at the second it expires", refuse("trust", 7, "expired"), now=NOW + 7 * DAY),
        order("the accepted one, expired", refuse("trust", 7, "expired"), now=NOW + 8 * DAY, held=held),
        order(
            "under an expired root",
            refuse("trust", 7, "root-expired"),
            now=NOW + 366 * DAY,
            expires=NOW + 400 * DAY,
        ),
        offer("signed by one director of two", two.assignment(3, ("director",)), UNSIGNED, by=two),
        offer("one director signs twice", two.assignment(3, ("director", "director")), UNSIGNED, by=two),
        offer("signed by the release key", owner.assignment(3, ("release",)), UNSIGNED),
        offer("signed by an unknown key", owner.assignment(3, ("other",)), UNSIGNED),
        offer("signed as a manifest", owner.assignment(3, kind=MANIFEST), UNSIGNED),
        offer("an unknown key in the document", wired({20: 1}), accept()),
        offer("an unknown critical key", wired({-1: 1}), MESSAGE),
        offer("an unknown critical key of one model", sign(ASSIGNMENT, critical, ("director",)), MESSAGE),
        offer("a generation of 2^63", wired({2: 1 << 63}), MESSAGE),
        offer("a generation that is negative", wired({2: -1}), MESSAGE),
        offer("a generation that is a float", wired({2: 3.0}), MESSAGE),
        offer("a generation that is true", wired({2: True}), MESSAGE),
        offer("a device name with a slash", wired({1: "dev/0042"}), MESSAGE),
        offer("a device name with a wildcard", wired({1: "+"}), MESSAGE),
        offer("a model name that climbs", wired({3: {"../../etc": {1: owner.manifest_digest()}}}), MESSAGE),
        offer("a model name with a line feed", wired({3: {"crop\n": {1: owner.manifest_digest()}}}), MESSAGE),
        offer("a digest of 31 bytes", wired({3: {MODEL: {1: bytes(31)}}}), MESSAGE),
        offer(
            "a missing field",
            sign(ASSIGNMENT, cbor.encode({k: v for k, v in wire.items() if k != 6}), ("director",)),
            MESSAGE,
        ),
        offer("not a map", sign(ASSIGNMENT, cbor.encode([1, 2]), ("director",)), MESSAGE),
        offer(
            "another model's settings",
            owner.assignment(
                3,
                models={
                    MODEL: Desired(
                        manifest=owner.manifest_digest(),
                        mode="shadow",
                        replace=True,
                        observe=(5, 10),
                        attempt=2,
                    )
                },
            ),
            accept(),
        ),
    ]


def _envelopes() -> list[Case]:
    """COSE_Sign around an assignment that is good in itself."""
    owner = Repository()
    payload = owner.assignment_document(3).encode()
    signer = key("director")
    header = cbor.encode({1: signer.public.algorithm, 4: signer.public.id})

    def made(
        protected: bytes, *, unprotected: object = None, body: bytes = b"", outer: object = None
    ) -> bytes:
        value = signer.sign(
            cose.structure("Signature", body, protected, aad=b"fleet/v1/assignment", payload=payload)
        )
        entry = [protected, {} if unprotected is None else unprotected, value]
        return cose.TAG_SIGN + cbor.encode([body, {} if outer is None else outer, payload, [entry]])

    good = owner.assignment(3)
    parts = cbor.decode(good[2:])
    value = parts[3][0][2]

    def offer(name: str, document: bytes, expect: Case) -> Case:
        return case(name, "accept_assignment", expect, state=_state(owner), now=NOW, document=document)

    def signed_as(signature: bytes) -> bytes:
        return cose.TAG_SIGN + cbor.encode([b"", {}, payload, [[header, {}, signature]]])

    swapped = signer.sign(cose.structure("Signature1", header, aad=b"fleet/v1/assignment", payload=payload))
    no_aad = signer.sign(cose.structure("Signature", b"", header, aad=b"", payload=payload))
    es256 = cbor.encode({1: -7, 4: signer.public.id})
    return [
        offer("the envelope made by hand", made(header), accept()),
        offer(
            "one good signature beside one that is not",
            sign(ASSIGNMENT, payload, ("other", "director")),
            accept(),
        ),
        offer("an empty protected header", made(b""), COSE),
        offer("a protected header that is an empty map", made(b"\xa0"), COSE),
        offer("a protected header without kid", made(cbor.encode({1: -8})), COSE),
        offer("a protected header without alg", made(cbor.encode({4: signer.public.id})), COSE),
        offer("a third protected header", made(cbor.encode({1: -8, 3: 0, 4: signer.public.id})), COSE),
        offer("a critical protected header", made(cbor.encode({1: -8, 2: [1], 4: signer.public.id})), COSE),
        offer("a kid that is text", made(cbor.encode({1: -8, 4: "director"})), COSE),
        offer("a kid of four bytes", made(cbor.encode({1: -8, 4: b"abcd"})), COSE),
        offer("an alg that is text", made(cbor.encode({1: "EdDSA", 4: signer.public.id})), COSE),
        offer(
            "a header key that is true instead of 1", made(b"\xa2\xf5\x27\x04\x48" + signer.public.id), CBOR
        ),
        offer("a header not in order", made(b"\xa2\x04\x48" + signer.public.id + b"\x01\x27"), CBOR),
        offer("the wrong algorithm for the key", made(es256), UNSIGNED),
        offer("an unprotected header of the signature", made(header, unprotected={4: b"x"}), COSE),
        offer("an unprotected header of the body", made(header, outer={1: -8}), COSE),
        offer("an unprotected header that is an array", made(header, unprotected=[]), COSE),
        offer("a protected header of the body", made(header, body=header), COSE),
        offer("a COSE_Sign1's signature in a COSE_Sign", signed_as(swapped), UNSIGNED),
        offer("no external data", signed_as(no_aad), UNSIGNED),
        offer("a signature of 63 bytes", signed_as(value[:63]), UNSIGNED),
        offer("a signature of 65 bytes", signed_as(value + b"\0"), UNSIGNED),
        offer("an empty signature", signed_as(b""), UNSIGNED),
        offer("one bit of the signature changed", good[:-1] + bytes([good[-1] ^ 1]), UNSIGNED),
        offer("one bit of the payload changed", good.replace(b"dev-0042", b"dev-0043"), UNSIGNED),
        offer("no signatures", cose.TAG_SIGN + cbor.encode([b"", {}, payload, []]), COSE),
        offer("seventeen signatures", sign(ASSIGNMENT, payload, ["director"] * 17), COSE),
        offer("a detached payload", cose.TAG_SIGN + cbor.encode([b"", {}, None, parts[3]]), COSE),
        offer("a payload that is text", cose.TAG_SIGN + cbor.encode([b"", {}, "x", parts[3]]), COSE),
        offer("a fifth element", cose.TAG_SIGN + cbor.encode([*parts, 0]), COSE),
        offer("a map instead of an array", cose.TAG_SIGN + cbor.encode({1: 2}), COSE),
        offer("no tag", good[2:], COSE),
        offer("the tag in a longer form", b"\xd9\x00\x62" + good[2:], COSE),
        offer("the tag of a COSE_Sign1", cose.TAG_SIGN1 + good[2:], COSE),
        offer("two tags", b"\xd9\xd9\xf7" + good, COSE),
        offer("a byte after the envelope", good + b"\0", CBOR),
        offer("cut short", good[:-1], CBOR),
        offer("nothing", b"", COSE),
        offer(
            "a payload above 8 KiB",
            owner.assignment(
                3, models={f"model-{i}": Desired(manifest=owner.manifest_digest()) for i in range(180)}
            ),
            COSE,
        ),
        offer("endless data", cose.TAG_SIGN + b"\x5a\x00\xff\xff\xff" + bytes(20_000), CBOR),
    ]


def _nonces() -> list[Case]:
    owner = Repository()
    two = Repository(
        signers=owner.signers | {"director": ("director", "director-b")}, thresholds={"director": 2}
    )

    def ask(name: str, document: bytes, expect: Case, *, by: Repository = owner, **change: object) -> Case:
        return case(
            name, "open_nonce_answer", expect, state=_state(by, **change), nonce=_NONCE, document=document
        )

    good = owner.nonce_answer(_NONCE)
    return [
        ask("the time", good, accept(now=NOW)),
        ask(
            "for another device",
            owner.nonce_answer(_NONCE, device="dev-0043"),
            refuse("trust", 4, "wrong-nonce"),
        ),
        ask("for another nonce", owner.nonce_answer(bytes(16)), refuse("trust", 4, "wrong-nonce")),
        ask(
            "from before the accepted assignment", good, refuse("trust", 5, "older-generation"), generation=2
        ),
        ask(
            "with an older min_root",
            owner.nonce_answer(_NONCE, min_root=0),
            refuse("trust", 5, "older-generation"),
            min_root=1,
        ),
        ask("signed by the release key", owner.nonce_answer(_NONCE, "release"), COSE),
        ask("signed as an assignment", owner.nonce_answer(_NONCE, kind=ASSIGNMENT), COSE),
        ask("one bit changed", good[:-1] + bytes([good[-1] ^ 1]), COSE),
        ask("one signature where two directors are needed", two.nonce_answer(_NONCE), UNSIGNED, by=two),
        ask(
            "a nonce of 8 bytes",
            cose.sign1(NONCE, cbor.encode({1: DEVICE, 2: bytes(8), 3: NOW, 4: 1, 5: 1}), key("director")),
            MESSAGE,
        ),
        ask("a COSE_Sign instead of a COSE_Sign1", owner.assignment(1, kind=NONCE), COSE),
    ]
