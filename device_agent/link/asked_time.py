"""The time of an agent on a machine without a clock, asked of the director (rule R13)."""

import logging
import secrets
from collections.abc import Callable

from protocol.documents import Assignment
from protocol.errors import FleetError
from protocol.freshness import NONCE_BYTES, Freshness
from protocol.trust import TrustError, Verifier

log = logging.getLogger("fleet.time")


class AskedTime:
    """Asks, and keeps what is answered.

    Args:
        monotonic: Seconds that only grow.
        send: Publishes a nonce.
    """

    def __init__(self, monotonic: Callable[[], float], send: Callable[[bytes], None]) -> None:
        self._monotonic = monotonic
        self._send = send
        self._known = Freshness()

    def ask(self) -> None:
        """Now, whatever was asked before: the connection is new."""
        self._known = self._known.ask(secrets.token_bytes(NONCE_BYTES), self._monotonic())
        if self._known.nonce is not None:
            self._send(self._known.nonce)

    def advance(self) -> None:
        """Ask again, if it is time to."""
        if self._known.is_due(self._monotonic()):
            self.ask()

    def take(self, data: bytes, verifier: Verifier) -> bool:
        """An answer has arrived; whether it was accepted."""
        try:
            self._known = self._known.take(data, verifier, self._monotonic())
        except FleetError as error:
            log.warning("refused: %s", error.what)
            return False
        return True

    def wall(self) -> float:
        """Seconds since 1970, or 0 as long as nobody has told."""
        try:
            return float(self._known.now(self._monotonic()))
        except TrustError:
            return 0.0

    def check(self) -> None:
        """Refuse to judge expiry without the time.

        Raises:
            TrustError: nobody has told it yet (R13).
        """
        self._known.now(self._monotonic())

    def check_newest(self, assignment: Assignment) -> None:
        """Refuse to install under an assignment that is no longer the newest.

        Raises:
            TrustError: the director has signed a newer one (R13).
        """
        self._known.check_newest(assignment)
