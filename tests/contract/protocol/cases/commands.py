"""R12: what a device is asked to do, once and now."""

from protocol import cbor, cose
from protocol.commands import COMMAND, LONGEST_LIFE, PROFILE, Command
from protocol.trust import ASSIGNMENT, TrustState
from tests.contract.protocol.cases.form import MESSAGE, UNSIGNED, Case, accept, case, refuse
from tests.support.simulator import DEVICE, MODEL, NOW, Repository, key

ID = bytes(range(16))
OTHER = bytes(16)


def command(**change: object) -> Command:
    values: dict[str, object] = {
        "device": DEVICE, "id": ID, "issued": NOW, "expires": NOW + 60, "command": PROFILE, "model": MODEL,
    }  # fmt: skip
    return Command(**values | change)


def signed(document: Command, by: str = "director", kind: str = COMMAND) -> bytes:
    return cose.sign(kind, document.encode(), [key(by)])


def wired(change: dict[int, object]) -> bytes:
    """A command with other values under its keys, properly signed."""
    return cose.sign(COMMAND, cbor.encode(command().to_wire() | change), [key("director")])


def cases() -> list[Case]:
    owner = Repository()
    state = TrustState(device=DEVICE, root=owner.root()).encode()
    good = signed(command())

    def offer(
        name: str,
        expect: Case,
        document: bytes = good,
        *,
        now: int = NOW,
        started: int = NOW - 1,
        done: bytes = b"",
    ) -> Case:
        ids = [done.hex()] if done else []
        return case(
            name, "accept_command", expect, state=state, now=now, started=started, done=ids, document=document
        )

    def order(name: str, expect: Case, **change: object) -> Case:
        return offer(name, expect, signed(command(**change)))

    taken = accept(id=ID.hex())
    return [
        offer("a command", taken),
        order("with rounds", taken, rounds=1000),
        order("of the longest life", taken, expires=NOW + LONGEST_LIFE),
        offer("in its last second", taken, now=NOW + 59),
        order("from a clock that is ahead", taken, issued=NOW + 60, expires=NOW + 120),
        offer("after another command", taken, done=OTHER),
        offer("expired", refuse("trust", 12, "expired"), now=NOW + 60),
        order("of too long a life", refuse("trust", 12, "too-long"), expires=NOW + LONGEST_LIFE + 1),
        order("of the future", refuse("trust", 12, "early"), issued=NOW + 61, expires=NOW + 120),
        order("for another device", refuse("trust", 12, "wrong-device"), device="dev-0043"),
        offer("once more", refuse("trust", 12, "replay"), done=ID),
        offer("from before the start", refuse("trust", 12, "replay"), started=NOW + 1),
        offer("of the second of the start", refuse("trust", 12, "replay"), started=NOW),
        offer("signed by the release key", UNSIGNED, signed(command(), "release")),
        offer("signed by the root key", UNSIGNED, signed(command(), "root")),
        offer("signed as an assignment", UNSIGNED, signed(command(), kind=ASSIGNMENT)),
        offer("an assignment instead", UNSIGNED, owner.assignment()),
        offer("an id of 15 bytes", MESSAGE, wired({2: ID[:15]})),
        offer("1001 rounds", MESSAGE, wired({7: 1001})),
        offer("an unknown critical key", MESSAGE, wired({-1: 1})),
        offer("an unknown key", taken, wired({23: 1})),
    ]
