"""Blobs and manifests by their digests: whoever wants one awaits it, the window decides when."""

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

from device_agent.link.window import Window
from protocol import topics
from protocol.chunks import sha256
from protocol.errors import RefusedError

REJECTIONS = 3
"""Wrong payloads after which the wish fails."""


class Subscriber(Protocol):
    """The connection to the broker."""

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe with QoS 0."""
        ...

    def unsubscribe(self, topics: list[str]) -> None:
        """End subscriptions."""
        ...


class BadBlobError(RefusedError):
    """The broker gives other bytes under a blob's name."""


Check = Callable[[bytes], None]


class _Wish:
    def __init__(self, digest: bytes, check: Check) -> None:
        self.digest = digest
        self.check = check
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.waiting = 0
        self.rejections = 0


class Fetcher:
    """Turns wishes into subscriptions and messages into answers.

    Args:
        subscriber: The connection.
        clock: Monotonic seconds.
        window: Decides which subscriptions there are.
    """

    def __init__(
        self, subscriber: Subscriber, clock: Callable[[], float], window: Window | None = None
    ) -> None:
        self._subscriber = subscriber
        self._clock = clock
        self._window = window or Window(chance=random.random)
        self._wishes: dict[str, _Wish] = {}
        self._connected = False

    async def blob(self, digest: bytes) -> bytes:
        """A chunk or index page.

        Raises:
            BadBlobError: the broker gave other bytes under this name, repeatedly.
        """
        return await self._wait(topics.chunk(digest), digest, lambda data: _check_blob(digest, data))

    async def manifest(self, digest: bytes, check: Check) -> bytes:
        """A signed manifest that passes `check`.

        Raises:
            FleetError: what `check` said, repeatedly.
        """
        return await self._wait(topics.manifest(digest), digest, check)

    async def _wait(self, topic: str, digest: bytes, check: Check) -> bytes:
        wish = self._wishes.get(topic)
        if wish is None:
            wish = self._wishes[topic] = _Wish(digest, check)
            self._window.want(topic)
            self.advance()
        wish.waiting += 1
        try:
            return await asyncio.shield(wish.future)
        finally:
            wish.waiting -= 1
            if not wish.waiting and self._wishes.get(topic) is wish:
                del self._wishes[topic]
                wish.future.cancel()
                self._window.drop(topic)
                self.advance()

    def take(self, topic: str, data: bytes) -> bool:
        """A message has arrived; gives whether anybody had wished for it."""
        wish = self._wishes.get(topic)
        if wish is None:
            return False
        if wish.future.done() or not data:
            return True
        try:
            wish.check(data)
        except RefusedError as error:
            wish.rejections += 1
            self._window.rejected(topic, self._clock())
            if wish.rejections >= REJECTIONS:
                wish.future.set_exception(error)
        else:
            wish.future.set_result(data)
        self.advance()
        return True

    @property
    def missing(self) -> list[bytes]:
        """Digests of what the broker does not give."""
        return [self._wishes[topic].digest for topic in self._window.missing if topic in self._wishes]

    def connected(self, *, yes: bool) -> None:
        """The connection has come, or gone."""
        self._connected = yes
        self._window.disconnected()
        self.advance()

    def advance(self) -> None:
        """Bring the subscriptions up to date; to be called every so often."""
        if not self._connected:
            return
        actions = self._window.step(self._clock())
        if actions.unsubscribe:
            self._subscriber.unsubscribe(actions.unsubscribe)
        if actions.subscribe:
            self._subscriber.subscribe(actions.subscribe)


def _check_blob(digest: bytes, data: bytes) -> None:
    if sha256(data) != digest:
        raise BadBlobError(
            f"broker gives other bytes under the name of chunk sha256:{digest.hex()[:8]}… "
            f"({len(data)} bytes, digest {sha256(data).hex()[:8]}…)",
            remedy="it was altered on the broker; push the release again to publish it anew",
        )
