"""The small documents that say what a model's two slots hold."""

from typing import Annotated

from pydantic import Field

from protocol.documents import Fault, Slot
from protocol.message import Digest, Key, Message, Uint


class GivenUp(Message):
    """A release that failed a test here; it is not tried again until `attempt` changes."""

    manifest: Annotated[Digest, Key(1)]
    attempt: Annotated[Uint, Key(2)]
    fault: Annotated[Fault, Key(3)]


class ModelState(Message):
    """What is installed of one model. Replaced as a whole, atomically.

    At most one of the slots is on trial; its release becomes the active one by being confirmed.
    """

    slots: Annotated[dict[str, Slot], Key(1)] = {}
    """Complete, verified releases by slot name, `a` or `b`."""
    active: Annotated[str | None, Key(2)] = None
    """Slot of the confirmed release."""
    trial: Annotated[str | None, Key(3)] = None
    """Slot of the release under observation."""
    boots: Annotated[Uint, Key(4)] = 0
    """Starts of the agent since the trial began."""
    attempt: Annotated[Uint, Key(5)] = 0
    """The assignment's attempt under which the trial began."""
    given_up: Annotated[GivenUp | None, Key(6)] = None


class StagedRelease(Message):
    """Everything but the bytes of a release, kept beside them so that a fetch can be resumed."""

    manifest: Annotated[bytes, Key(1)]
    """Signed."""
    target: Annotated[str, Key(2)]
    pages: Annotated[tuple[bytes, ...], Field(strict=False), Key(3)]
    """The index, page by page."""
