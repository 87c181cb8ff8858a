"""The device's trust: takes roots and assignments from the broker, stores before anyone acts on them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from device_agent.errors import DiskFullError
from device_agent.identity import TRUST, save
from device_agent.link.asked_time import AskedTime
from device_agent.slots.files import Files
from protocol.documents import Assignment, Fault, Manifest
from protocol.errors import FleetError
from protocol.trust import TrustError, TrustState, Verifier

log = logging.getLogger("fleet.trust")

_CLOCK_SLACK_SECONDS = 86_400
_WAITS = frozenset({"root-behind", "signature", "no-time"})
"""Refusals of an assignment that a later root or time answer may lift."""


@dataclass(frozen=True)
class Store:
    """Where trust is kept, and the thread that may touch it."""

    files: Files
    disk: Callable[..., Coroutine[Any, Any, Any]]

    async def save(self, state: TrustState) -> None:
        """Make it durable.

        Raises:
            DiskFullError: there is no room; the former state is intact.
        """
        await self.disk(save, self.files, TRUST, state)


class TrustKeeper:
    """Holds the verifier; every change is durable before it is visible.

    Args:
        store: Where it is kept.
        verifier: As it was stored.
        wall: The device's clock, seconds since 1970.
        accepted: Called with each assignment that was accepted.
        root_changed: Called after each new root.
        asked: On a machine without a clock: the time that the director tells; `wall` is then its.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it holds together
        self,
        store: Store,
        verifier: Verifier,
        wall: Callable[[], float],
        accepted: Callable[[Assignment], None],
        root_changed: Callable[[], None],
        asked: AskedTime | None = None,
    ) -> None:
        self._kept = store
        self._verifier = verifier
        self._wall = wall
        self._accepted = accepted
        self._root_changed = root_changed
        self._asked = asked
        self._lock = asyncio.Lock()
        self._waiting: bytes | None = None
        self._barrier: Fault | None = None
        self.fault: Fault | None = None
        """Why the newest document was refused."""

    @property
    def verifier(self) -> Verifier:
        """The rules at their present state."""
        return self._verifier

    async def take_root(self, data: bytes) -> None:
        """A root has arrived; one that does not follow the present one is refused."""
        async with self._lock:
            try:
                await self._store(self._verifier.update_root(data))
            except (FleetError, OSError) as error:
                self._refuse(error)
                return
            self._root_changed()
        await self._take_waiting()

    async def take_time(self, data: bytes) -> None:
        """The director's answer to this device's nonce has arrived; an assignment may have waited for it."""
        if self._asked is not None and self._asked.take(data, self._verifier):
            await self._take_waiting()

    async def _take_waiting(self) -> None:
        if self._waiting is not None:
            await self.take_assignment(self._waiting)

    async def take_assignment(self, data: bytes) -> None:
        """An assignment has arrived; what is refused changes nothing but `fault`."""
        async with self._lock:
            try:
                self.check_clock()
                verifier, assignment = self._verifier.accept_assignment(data, int(self._wall()))
                if verifier.state != self._verifier.state:
                    await self._store(verifier)
            except (FleetError, OSError) as error:
                # After a long sleep the assignment comes before the roots: its key is one that only the
                # newest of them lists. Without a clock it comes before the time.
                waits = isinstance(error, TrustError) and error.code in _WAITS
                self._waiting = data if waits else None
                self._refuse(error)
                return
            self._waiting = None
            self.fault = None
        self._accepted(assignment)

    def _refuse(self, error: FleetError | OSError) -> None:
        match error:
            case TrustError():
                code = error.code
            case DiskFullError():
                code = "disk-full"
            case OSError():
                code = "storage"
            case _:
                code = "malformed"
        self.fault = self._fault(code, error)
        log.warning("refused: %s", self.fault.text)

    def _fault(self, code: str, error: FleetError | OSError) -> Fault:
        text = str(error)
        if isinstance(error, FleetError):
            text = error.what + (f"; {error.remedy}" if error.remedy else "")
        return Fault(code=code, text=text[:1024], at=max(0, int(self._wall())))

    def check_clock(self) -> None:
        """Refuse to judge expiry by a clock that cannot be right.

        Raises:
            TrustError: the clock is before a moment that a trusted key has attested, or there is none
                and nobody has told the time.
        """
        if self._asked is not None:
            self._asked.check()
        now, root, state = self._wall(), self._verifier.root, self._verifier.state
        attested = max(root.issued, state.issued - _CLOCK_SLACK_SECONDS)
        if now < attested:
            raise TrustError(
                7,
                "clock",
                f"this device's clock is wrong: it says {int(now)}, but signed documents of "
                f"{attested} have arrived",
                remedy="set the clock, for example by NTP; nothing is installed until then",
            )

    def trusted_verifier(self) -> Verifier:
        """The rules at their present state, for what expires.

        Raises:
            TrustError: the clock cannot be right.
        """
        self.check_clock()
        return self._verifier

    def barrier(self) -> Fault | None:
        """Why nothing may be installed now, if so; the same object for as long as the reason is the same."""
        try:
            self.check_clock()
            if self._verifier.state.assignment is not None:
                assignment = self._verifier.assignment()
                self._verifier.check_fresh(assignment, int(self._wall()))
                if self._asked is not None:
                    self._asked.check_newest(assignment)
        except TrustError as error:
            if self._barrier is None or self._barrier.code != error.code:
                self._barrier = self._fault(error.code, error)
        else:
            self._barrier = None
        return self._barrier

    async def confirm(self, manifest: Manifest) -> None:
        """Remember a confirmed release's floor, durably."""
        async with self._lock:
            verifier = self._verifier.confirm(manifest)
            if verifier.state != self._verifier.state:
                await self._store(verifier)

    async def _store(self, verifier: Verifier) -> None:
        await self._kept.save(verifier.state)
        self._verifier = verifier
