"""A limit on failed logins: a token bucket for each network address. Pure but for the clock passed in."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

ALLOWED = 10
"""Failures at once before an address has to wait."""
REFILL = 6.0
"""Seconds until one more is allowed."""
ADDRESSES = 4096
"""Addresses remembered; the one that was quiet for longest makes room."""


class FailureLimit:
    """Counts attempts, and gives back those that were right: attempts side by side gain nothing.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def attempt(self, address: str) -> float:
        """Take one attempt; if there is none left, seconds until there is."""
        network = _network(address)
        left = self._left(network)
        if left < 1:
            return (1 - left) * REFILL
        self._set(network, left - 1)
        return 0.0

    def was_right(self, address: str) -> None:
        """Give an attempt back."""
        network = _network(address)
        self._set(network, min(ALLOWED, self._left(network) + 1))

    def _set(self, network: str, left: float) -> None:
        self._buckets[network] = (left, self._clock())
        self._buckets.move_to_end(network)
        while len(self._buckets) > ADDRESSES:
            self._buckets.popitem(last=False)

    def _left(self, network: str) -> float:
        left, at = self._buckets.get(network, (ALLOWED, 0.0))
        return min(ALLOWED, left + (self._clock() - at) / REFILL)


def _network(address: str) -> str:
    """Who has an IPv6 network has 2^64 addresses of it."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network(f"{known}/64", strict=False).network_address)
