"""The time of a device that has no clock: what the director signs in answer to its nonce (rule R13).

Pure: monotonic seconds and random bytes are passed in, every step gives a new value. The device asks after
each start and then once an hour. Its time runs from the moment at which it *asked*, so it is never behind the
director's by a delay of the broker: holding an answer back makes documents expire earlier, not later.
"""

from dataclasses import dataclass, replace
from typing import Self

from protocol.documents import Assignment, NonceAnswer
from protocol.trust import TrustError, Verifier

PATIENCE = 60
"""Seconds within which an answer must come; a new question is asked after them."""
REFRESH = 3600
"""Seconds after which the device asks again, to notice that an assignment is being withheld."""
NONCE_BYTES = 16


@dataclass(frozen=True)
class Freshness:
    """What such a device knows of the time since it started; nothing of it outlives a restart.

    Attributes:
        nonce: Of the question that waits for its answer.
        asked: When it was asked, monotonic seconds.
        answer: The newest answer that was accepted.
        since: When the question to it was asked, monotonic seconds.
    """

    nonce: bytes | None = None
    asked: float = 0.0
    answer: NonceAnswer | None = None
    since: float = 0.0

    def is_due(self, ticks: float) -> bool:
        """Whether to ask now."""
        if self.nonce is not None:
            return ticks - self.asked >= PATIENCE
        return self.answer is None or ticks - self.since >= REFRESH

    def ask(self, nonce: bytes, ticks: float) -> Self:
        """A new question; an answer to an older one is void from now on.

        Args:
            nonce: `NONCE_BYTES` random bytes, never used before.
            ticks: Monotonic seconds.
        """
        return replace(self, nonce=nonce, asked=ticks)

    def take(self, data: bytes, verifier: Verifier, ticks: float) -> Self:
        """An answer has arrived; its nonce is used up.

        Raises:
            TrustError: nothing was asked, it came too late (R13), or a rule refuses it (R3 to R5).
            CoseError: it is not signed by the director.
        """
        if self.nonce is None:
            raise TrustError(13, "not-asked", "time answer to no question of this device")
        if ticks - self.asked >= PATIENCE:
            raise TrustError(13, "late", f"time answer took longer than {PATIENCE} s; it is asked for anew")
        answer = verifier.open_nonce_answer(data, self.nonce)
        return replace(self, nonce=None, answer=answer, since=self.asked)

    def now(self, ticks: float) -> int:
        """Seconds since 1970; ahead of the director's time by at most the wait for the answer.

        Raises:
            TrustError: no answer has come since the start (R13).
        """
        if self.answer is None:
            raise TrustError(
                13,
                "no-time",
                "this device has no clock, and the controller has not told it the time since it started",
                remedy="check that the controller runs and that the broker carries nonce and time; "
                "nothing is installed until then",
            )
        return self.answer.now + int(ticks - self.since)

    def check_newest(self, assignment: Assignment) -> None:
        """Refuse to install under an assignment that the director has replaced since.

        Raises:
            TrustError: the answer names a newer generation: a broker withholds it, or it is on its way (R13).
        """
        if self.answer is not None and assignment.generation < self.answer.generation:
            raise TrustError(
                13,
                "withheld",
                f"assignment has generation {assignment.generation}, the director is at "
                f"{self.answer.generation}",
                remedy="the newer assignment is on its way, or the broker withholds it",
            )
