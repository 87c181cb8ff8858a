"""Requests that a device carries out at once, beside what it serves, and their answers.

Desired state is not commanded: a command asks for something to look at and changes nothing that a
device runs. So one that is lost is lost, and whoever asked is told so after a while.
"""

from collections.abc import Container
from typing import Annotated

from pydantic import Field

from protocol.documents import Fault
from protocol.message import Digest, Key, Many, Message, Name, Seconds, Uint, Version, Word
from protocol.trust import TrustError, Verifier

COMMAND, RESULT = "command", "result"
"""Kinds of documents, as `external_aad` names them."""

MAX_COMMAND = 4096
MAX_RESULT = 65_536
LONGEST_LIFE = 300
"""Most seconds between issue and expiry: a device remembers every command for as long."""

CLOCKS_APART = 60
"""Seconds by which a command may seem to come from the future."""

PROFILE = "profile"
MOST_ROUNDS = 1000

CommandId = Annotated[bytes, Field(min_length=16, max_length=16)]


class Command(Message):
    """What a device is asked to do. Signed by the director."""

    device: Annotated[Name, Key(1)]
    id: Annotated[CommandId, Key(2)]
    """Random; never used twice."""
    issued: Annotated[Seconds, Key(3)]
    expires: Annotated[Seconds, Key(4)]
    command: Annotated[Word, Key(5)]
    model: Annotated[Name, Key(6)]
    rounds: Annotated[Uint | None, Field(le=MOST_ROUNDS), Key(7)] = None
    """Of how many runs a profile takes the median; as many as fit into a second if not given."""


class LayerTimes(Message):
    """How long the layers of a module take: `protocol.profiling.Timing`, in picoseconds."""

    manifest: Annotated[Digest, Key(1)]
    """The release that runs."""
    version: Annotated[Version, Key(2)]
    target: Annotated[Name, Key(3)]
    layers: Annotated[Many[Uint], Key(4)]
    run: Annotated[Uint, Key(5)]
    call: Annotated[Uint, Key(6)]
    rounds: Annotated[Uint, Key(7)]
    times: Annotated[Many[Uint], Key(8)]
    """How often each layer ran in each round."""


class Result(Message):
    """The answer to a command. Carried in a COSE_Mac0."""

    device: Annotated[Name, Key(1)]
    id: Annotated[CommandId, Key(2)]
    fault: Annotated[Fault | None, Key(3)] = None
    """Why there is nothing else."""
    profile: Annotated[LayerTimes | None, Key(4)] = None


def accept_command(
    verifier: Verifier, data: bytes, *, now: int, started: int, done: Container[bytes]
) -> Command:
    """R3, R12: the command in a signed document, if it may be carried out.

    A command was issued after the device started and is carried out once since then, so none can be
    replayed although nothing is stored.

    Args:
        verifier: The device's.
        data: The signed command.
        now: Trusted time, seconds since 1970-01-01 UTC.
        started: When this device started, by the same clock.
        done: Ids of the commands since then, at least of the last `LONGEST_LIFE` seconds.

    Raises:
        TrustError: a rule refuses it.
    """
    payload = verifier.open_signed(COMMAND, data, "director", max_payload=MAX_COMMAND)
    command = Command.decode(payload)
    device = verifier.state.device
    if command.device != device:
        raise TrustError(12, "wrong-device", f"command is for {command.device}, not {device}")
    if command.expires - command.issued > LONGEST_LIFE:
        raise TrustError(12, "too-long", f"command lives longer than {LONGEST_LIFE} s")
    if now >= command.expires:
        raise TrustError(
            12,
            "expired",
            f"command expired {now - command.expires} s ago by this device's clock",
            remedy="check the device's clock",
        )
    if command.issued > now + CLOCKS_APART:
        raise TrustError(12, "early", "command is of the future by this device's clock")
    if command.issued <= started or command.id in done:
        raise TrustError(12, "replay", f"command {command.id.hex()[:8]}… is old, or was carried out already")
    return command
