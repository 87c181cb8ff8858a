"""Which retained topics to subscribe to now: a bounded window over all that are wanted. Pure.

QoS 0 and retained messages make fetching stateless: subscribe, receive, unsubscribe. A topic that
stays silent is subscribed to anew once; then it counts as missing, rests for a while and is tried
again, for as long as somebody wants it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from device_agent.update.retry import delay

SIZE, STALL_SECONDS = 8, 3.0
MAX_RETRY_EXPONENT = 5


@dataclass
class _Entry:
    tries: int = 0
    """Subscriptions so far."""
    missing: bool = False
    since: float | None = None
    """When it was subscribed to; None: it is not."""
    rests_until: float = 0.0


@dataclass
class Actions:
    """What to tell the broker."""

    subscribe: list[str] = field(default_factory=list)
    unsubscribe: list[str] = field(default_factory=list)


class Window:
    """Wanted topics, oldest first.

    Args:
        size: Most subscriptions at a time.
        stall: Seconds without a message before a subscription is renewed.
        chance: Gives random numbers in [0, 1) for jitter.
    """

    def __init__(
        self, size: int = SIZE, stall: float = STALL_SECONDS, chance: Callable[[], float] = lambda: 0.5
    ) -> None:
        self._size = size
        self._stall = stall
        self._chance = chance
        self._entries: dict[str, _Entry] = {}
        self._dropped: list[str] = []

    def want(self, topic: str) -> None:
        """Begin to want a topic; wanting it twice is wanting it once."""
        self._entries.setdefault(topic, _Entry())

    def drop(self, topic: str) -> None:
        """Stop wanting a topic: it has arrived, or nobody needs it any more."""
        entry = self._entries.pop(topic, None)
        if entry is not None and entry.since is not None:
            self._dropped.append(topic)

    def rejected(self, topic: str, now: float) -> None:
        """What arrived on a topic is not what it should be."""
        entry = self._entries.get(topic)
        if entry is not None:
            self._rest(topic, entry, now)

    def disconnected(self) -> None:
        """All subscriptions are gone with the connection."""
        self._dropped.clear()
        for entry in self._entries.values():
            entry.since = None

    @property
    def missing(self) -> list[str]:
        """Topics that the broker does not give, or gives wrongly."""
        return [topic for topic, entry in self._entries.items() if entry.missing]

    def step(self, now: float) -> Actions:
        """What to do now; to be called after every change and every so often."""
        actions = Actions(unsubscribe=self._dropped)
        self._dropped = []
        flying = 0
        for topic, entry in self._entries.items():
            if entry.since is None:
                continue
            if now - entry.since < self._stall:
                flying += 1
                continue
            if entry.tries == 1:
                entry.tries, entry.since = 2, now
                actions.unsubscribe.append(topic)
                actions.subscribe.append(topic)
                flying += 1
            else:
                self._rest(topic, entry, now)
                actions.unsubscribe += self._dropped
                self._dropped = []
        for topic, entry in self._entries.items():
            if flying >= self._size:
                break
            if entry.since is None and entry.rests_until <= now:
                entry.tries, entry.since = entry.tries + 1, now
                actions.subscribe.append(topic)
                flying += 1
        return actions

    def _rest(self, topic: str, entry: _Entry, now: float) -> None:
        if entry.since is not None:
            self._dropped.append(topic)
        entry.missing = True
        entry.since = None
        entry.rests_until = now + delay(min(max(entry.tries, 1), MAX_RETRY_EXPONENT), self._chance())
