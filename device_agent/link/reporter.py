"""Reports and telemetry: authenticated, numbered, and not more often than is useful."""

import asyncio
import contextlib
from collections.abc import Callable

from device_agent.link.client import Link
from protocol import cose, topics
from protocol.documents import Report, Telemetry
from protocol.enrolment import report_key_id
from protocol.trust import REPORT, TELEMETRY

LEAST_INTERVAL_SECONDS = 0.1
FULL_REPORT_SECONDS = 30.0


class Reporter:
    """Publishes the newest state; what happens between two reports is coalesced.

    Args:
        link: The connection.
        device: The device's name.
        key: Its report key.
        report: Makes the report with the given sequence number.
        telemetry: Makes the telemetry with the given sequence number.
    """

    def __init__(
        self,
        link: Link,
        device: str,
        key: bytes,
        report: Callable[[int], Report],
        telemetry: Callable[[int], Telemetry],
    ) -> None:
        self._link = link
        self._key, self._kid = key, report_key_id(key)
        self._reported = topics.device(device, "reported")
        self._telemetry = topics.device(device, "telemetry")
        self._make_report, self._make_telemetry = report, telemetry
        self._due = asyncio.Event()
        self._reports = self._telemetries = 0

    def changed(self) -> None:
        """A report is due."""
        self._due.set()

    async def report_forever(self) -> None:
        """Publish a report soon after each change, and every so often without one."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), FULL_REPORT_SECONDS)
            self._due.clear()
            if self._link.connected:
                self._reports += 1
                payload = self._make_report(self._reports).encode()
                self._link.publish(
                    self._reported, cose.mac0(REPORT, payload, self._key, self._kid), retain=True, qos=1
                )
            await asyncio.sleep(LEAST_INTERVAL_SECONDS)

    async def telemetry_forever(self, seconds: float) -> None:
        """Publish telemetry every so many seconds."""
        while True:
            await asyncio.sleep(seconds)
            if self._link.connected:
                self._telemetries += 1
                payload = self._make_telemetry(self._telemetries).encode()
                self._link.publish(self._telemetry, cose.mac0(TELEMETRY, payload, self._key, self._kid))
