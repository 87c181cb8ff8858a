"""What the updates of all models of a device share."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from device_agent.link.fetcher import Fetcher
from device_agent.slots.cache import CompiledCache
from protocol.documents import Capabilities, Manifest
from protocol.trust import Verifier


class Trust(Protocol):
    """The device's trust, kept by the daemon."""

    @property
    def verifier(self) -> Verifier:
        """The rules at their present state."""
        ...

    async def confirm(self, manifest: Manifest) -> None:
        """Remember a confirmed release's floor, durably."""
        ...


@dataclass
class Surroundings:
    """The device around a model: its network, disk, clocks, and whom to tell."""

    fetcher: Fetcher
    cache: CompiledCache
    trust: Trust
    capabilities: Capabilities
    wrapping_key: Callable[[bytes], bytes]
    """This device's key to the content key of the release with that manifest."""
    disk: Callable[..., Coroutine[Any, Any, Any]]
    """Runs a function on the one thread that touches the disk, so that writes keep their order."""
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    changed: Callable[[], None]
    """Tells that a report is due."""
    tidy: Callable[[], Coroutine[Any, Any, None]]
    """Forgets compiled code that no slot needs."""
