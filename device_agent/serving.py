"""Serving one model: a queue, the runner that answers, and the switch between two inferences."""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from device_agent.runner.supervisor import Runner, RunnerError
from device_agent.runner.wire import Output
from device_agent.update.retry import delay
from protocol.documents import Slot, Usage
from protocol.errors import FleetError
from protocol.module import ModuleMeta

MAX_WAITING = 256
WAIT_SECONDS = 20.0
_RATE_SECONDS = 10.0
_LATENCIES = 512


class InferenceError(FleetError):
    """An inference got no answer.

    Attributes:
        code: One word for programs: `trap`, `deadline`, `nonfinite`, `input`, `busy`, `not-ready`, …
        layer: Index of the layer in which the run ended, if one was running.
    """

    def __init__(self, code: str, what: str, layer: int | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.layer = layer


@dataclass(frozen=True, eq=False)
class Loaded:
    """A release in a runner, ready to answer."""

    runner: Runner
    slot: Slot
    deadline: float
    """Seconds for one inference."""

    @property
    def meta(self) -> ModuleMeta:
        """The module's metadata."""
        return self.runner.meta


@dataclass(frozen=True)
class Answer:
    """Outputs by name (float32 where the tensor has a scale), and who gave them."""

    outputs: dict[str, Output]
    meta: ModuleMeta
    version: str
    latency_us: int


class Statistics:
    """Counts and latencies since a release was switched in."""

    def __init__(self) -> None:
        self.total = 0
        self.restart()

    def restart(self) -> None:
        """Begin anew for a new release."""
        self._good = self._bad = 0
        self._latencies: deque[int] = deque(maxlen=_LATENCIES)
        self._times: deque[float] = deque(maxlen=4096)

    def good(self, latency_us: int) -> None:
        """Count an answer."""
        self._good += 1
        self.total += 1
        self._latencies.append(latency_us)
        self._times.append(time.monotonic())

    def bad(self) -> None:
        """Count a failure of the module."""
        self._bad += 1

    def usage(self) -> Usage:
        """The figures for a report."""
        ordered = sorted(self._latencies)
        since = time.monotonic() - _RATE_SECONDS
        while self._times and self._times[0] < since:
            self._times.popleft()
        return Usage(
            inferences=self._good,
            failures=self._bad,
            p50_us=ordered[len(ordered) // 2] if ordered else 0,
            p95_us=ordered[len(ordered) * 95 // 100] if ordered else 0,
            rate=len(self._times) / _RATE_SECONDS,
            total=self.total,
        )


Outcome = Callable[[Loaded, RunnerError | None], bool]
"""Told of each inference; says whether the release is on trial and this fault ends the trial."""


class Service:
    """Answers requests for one model, one at a time in the order of their arrival.

    Args:
        model: Its name.
        revive: Loads the release of this manifest anew; None when it cannot be. What RunnerError or
            OSError it raises may pass.
        on_outcome: See `Outcome`.
    """

    def __init__(
        self, model: str, revive: Callable[[bytes], Awaitable[Loaded | None]], on_outcome: Outcome
    ) -> None:
        self.model = model
        self.active: Loaded | None = None
        self.standby: Loaded | None = None
        self.statistics = Statistics()
        self._revive = revive
        self._on_outcome = on_outcome
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._watchers: set[asyncio.Task[None]] = set()
        self._reviving: asyncio.Task[None] | None = None

    async def infer(self, inputs: dict[str, bytes], *, reset: bool = False) -> Answer:
        """One inference.

        Args:
            inputs: Little-endian tensors by name; float32 where the module's tensor has a scale.
            reset: Whether a model with state starts from zero.

        Raises:
            InferenceError: no answer; the text names the layer if one was running.
        """
        if self._waiting >= MAX_WAITING:
            raise InferenceError("busy", f"{self.model}: {self._waiting} requests are waiting already")
        self._waiting += 1
        try:
            try:
                await asyncio.wait_for(self._lock.acquire(), WAIT_SECONDS)
            except TimeoutError:
                raise InferenceError("busy", f"{self.model} was busy for {WAIT_SECONDS:.0f} s") from None
        finally:
            self._waiting -= 1
        try:
            return await self._answer(inputs, reset=reset)
        finally:
            self._lock.release()

    async def _answer(self, inputs: dict[str, bytes], *, reset: bool) -> Answer:
        tried_again = False
        while True:
            loaded = self.active
            if loaded is None:
                raise InferenceError("not-ready", f"no release of {self.model} is running on this device")
            start = time.perf_counter_ns()
            try:
                outputs = await loaded.runner.run(inputs, loaded.deadline, reset=reset)
            except RunnerError as fault:
                if fault.code == "input":
                    raise InferenceError("input", f"{self.model}: {fault.text}") from fault
                again = await self._failed(loaded, fault)
                if again and not tried_again:
                    tried_again = True
                    continue
                raise InferenceError(fault.code, f"{self.model}: {fault.text}", fault.layer) from fault
            latency = (time.perf_counter_ns() - start) // 1000
            self.statistics.good(latency)
            self._on_outcome(loaded, None)
            return Answer(outputs, loaded.meta, loaded.slot.version, latency)

    async def _failed(self, loaded: Loaded, fault: RunnerError) -> bool:
        """Deal with a failure; gives whether the request should be tried again."""
        self.statistics.bad()
        if self._on_outcome(loaded, fault):
            return self._fall_back()
        if loaded.runner.alive:
            return False
        await self._replace_dead(loaded)
        # A runner that something else killed is not the request's fault.
        return fault.code == "killed" and self.active is not None

    def _fall_back(self) -> bool:
        """The trial is over: the confirmed release answers from here on, this request included."""
        failed, self.active, self.standby = self.active, self.standby, None
        self.statistics.restart()
        if failed is not None:
            self._spawn(failed.runner.stop())
        return self.active is not None

    async def _replace_dead(self, loaded: Loaded) -> None:
        await loaded.runner.stop()
        # Requests that come meanwhile wait for its successor.
        try:
            self.active = await self._revive(loaded.slot.manifest)
        except (RunnerError, OSError):
            self.active = None
            self.bring_back(loaded.slot.manifest)
            return
        if self.active is not None:
            self._watch(self.active)
        elif self.standby is not None:
            self._fall_back()

    def bring_back(self, manifest: bytes) -> None:
        """Let a stored release answer as soon as it can be loaded, unless another does before."""
        if self._reviving is not None:
            self._reviving.cancel()
        self._reviving = asyncio.create_task(self._try_to_revive(manifest))

    async def _stop_reviving(self) -> None:
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)

    async def _try_to_revive(self, manifest: bytes) -> None:
        failures = 0
        while True:
            failures += 1
            await asyncio.sleep(delay(failures, random.random()))  # noqa: S311 - jitter
            async with self._lock:
                if self.active is not None:
                    return
                with contextlib.suppress(RunnerError, OSError):
                    self.active = await self._revive(manifest)
                    if self.active is not None:
                        self._watch(self.active)
                    return

    async def switch(self, loaded: Loaded, *, keep: bool) -> None:
        """Let another release answer, between two inferences.

        Args:
            loaded: The new release.
            keep: Whether the old one stays at hand for a roll-back.
        """
        async with self._lock:
            old, self.active = self.active, loaded
            former, self.standby = self.standby, old if keep else None
            self.statistics.restart()
        self._watch(loaded)
        for unused in {former, None if keep else old} - {None, loaded}:
            if unused is not None:
                await unused.runner.stop()

    async def roll_back(self, manifest: bytes) -> None:
        """Return to the standby release, if the one of `manifest` is still answering."""
        async with self._lock:
            if self.active is not None and self.active.slot.manifest == manifest:
                self._fall_back()

    async def drop_standby(self) -> None:
        """The active release is confirmed; its predecessor may go."""
        standby, self.standby = self.standby, None
        if standby is not None:
            await standby.runner.stop()

    async def stop(self) -> None:
        """End all runners, after the inference now running."""
        await self._stop_reviving()
        async with self._lock:
            # The inference that was waited for may have begun another.
            await self._stop_reviving()
            loaded = [one for one in (self.active, self.standby) if one is not None]
            self.active = self.standby = None
        for one in loaded:
            await one.runner.stop()
        if self._watchers:
            await asyncio.gather(*self._watchers, return_exceptions=True)

    def _watch(self, loaded: Loaded) -> None:
        self._spawn(self._notice_death(loaded))

    async def _notice_death(self, loaded: Loaded) -> None:
        """Bring an idle runner back; one that dies at work is dealt with by the request."""
        await loaded.runner.ended()
        async with self._lock:
            if self.active is not loaded:
                return
            fault = RunnerError("killed", f"the runner of {self.model} ended while it was idle")
            if self._on_outcome(loaded, fault):
                self._fall_back()
            else:
                await self._replace_dead(loaded)

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await work

        task = asyncio.create_task(run())
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)
