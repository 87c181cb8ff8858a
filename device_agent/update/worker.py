"""Carries out what the machine decides for one model, and feeds it what came of it."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from device_agent.errors import DiskFullError
from device_agent.link.fetcher import BadBlobError
from device_agent.runner.supervisor import RunnerError
from device_agent.serving import Loaded, Service
from device_agent.slots.record import GivenUp
from device_agent.slots.store import ModelSlots, Release
from device_agent.update import machine
from device_agent.update.installation import Installation, Progress, StepError, load_release
from device_agent.update.machine import Phase
from device_agent.update.surroundings import Surroundings
from protocol.documents import Fault, ModelReport
from protocol.errors import FleetError
from protocol.trust import TrustError

log = logging.getLogger("fleet.update")

MAX_BOOTS_ON_TRIAL = 3
MAX_REVIVALS_ON_TRIAL = 2
MAX_UNEXPLAINED_DEATHS = 3
_FOREVER = frozenset({"below-floor", "no-fit", "wrong-class", "mix-and-match"})
"""Refusals of a manifest that its next copy would meet too; a bad signature may be replaced."""


class ModelUpdate:
    """One model on this device: its slots, its service, and the machine that moves it on."""

    def __init__(self, model: str, slots: ModelSlots, around: Surroundings) -> None:
        self.model = model
        self.service = Service(model, self._revive, self._on_outcome)
        self.state = machine.State()
        self._slots = slots
        self._around = around
        self._installation: Installation | None = None
        self._settled_size = 0
        self._task: asyncio.Task[None] | None = None
        self._cleanups: set[asyncio.Task[None]] = set()
        self._revivals = 0
        self._runtime_fault: Fault | None = None

    # -- start and end ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Serve what the slots hold, without asking anybody."""
        now = self._around.monotonic()
        slots, disk = self._slots, self._around.disk
        active, trial, confirmed, goal = slots.active(), slots.trial(), None, None
        if active is not None:
            confirmed = await self._serve(active)
        failure: Fault | None = None
        if trial is not None:
            goal = machine.Goal(trial.digest, slots.state.attempt)
            self._installation = Installation.of_trial(self.model, trial, slots, self._around)
            if await self._count_boot() > MAX_BOOTS_ON_TRIAL:
                text = f"the agent ended {MAX_BOOTS_ON_TRIAL} times during the trial"
                failure = self._fault("crash-loop", text, trial.digest)
            else:
                try:
                    await self.service.switch(await self._load(trial), keep=True)
                except (FleetError, RunnerError, OSError):
                    failure = self._runtime_fault
        elif slots.state.trial is not None:
            with contextlib.suppress(DiskFullError):
                await disk(slots.end_trial, None)
        self.state = machine.resume(confirmed, goal, slots.state.given_up, now)
        if failure is not None:
            self.handle(machine.Inferred(self.state.job, failure))

    async def _serve(self, active: Release) -> bytes | None:
        """Let the confirmed release answer; gives its manifest, or None if it is damaged."""
        self._settled_size = active.target.size
        try:
            await self.service.switch(await self._load(active), keep=False)
        except FleetError:
            return None
        except (RunnerError, OSError):
            self.service.bring_back(active.digest)
        return active.digest

    async def _count_boot(self) -> int:
        try:
            boots: int = await self._around.disk(self._slots.count_boot)
        except DiskFullError as error:
            log.warning("%s: cannot count this start: %s", self.model, error.what)
            return self._slots.state.boots + 1
        return boots

    async def _load(self, release: Release) -> Loaded:
        """A runner with a stored release.

        Raises:
            FleetError: what is stored is damaged.
            RunnerError: the engine refuses it, or the runner was killed again and again.
            OSError: the device has no room for a process.
        """
        deaths = 0
        while True:
            try:
                wasm = await self._around.disk(self._slots.read_module, release)
                return await load_release(release, wasm, self._around)
            except (FleetError, RunnerError, OSError) as error:
                deaths += 1
                if (
                    isinstance(error, RunnerError)
                    and error.code == "killed"
                    and deaths < MAX_UNEXPLAINED_DEATHS
                ):
                    continue
                text = str(error.what if isinstance(error, FleetError) else error)
                code = error.code if isinstance(error, RunnerError | TrustError) else "module"
                self._runtime_fault = self._fault(code, f"stored release: {text}", release.digest)
                log.warning("%s: stored release cannot be loaded: %s", self.model, text)
                raise

    async def stop(self) -> None:
        """End the work and the runners; the slots say where to go on."""
        self._cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self.service.stop()
        await asyncio.gather(*self._cleanups, return_exceptions=True)

    # -- the machine -----------------------------------------------------------------------------

    def handle(self, event: machine.Event) -> None:
        """Give the machine an event and begin what it wants done."""
        before = self.state
        now = self._around.monotonic()
        self.state, effects = machine.step(before, event, now, random.random())  # noqa: S311 - jitter
        if self.state.phase is not before.phase:
            text = f": {self.state.fault.text}" if self.state.fault else ""
            log.info("%s: %s%s", self.model, self.state.phase, text)
        for effect in effects:
            self._perform(effect)
        if effects or self.state.reported != before.reported or self.state.fault != before.fault:
            self._around.changed()

    def _perform(self, effect: machine.Effect) -> None:
        match effect:
            case machine.Step(job, phase, goal):
                if phase is Phase.RESOLVING or self._installation is None:
                    self._installation = Installation(self.model, goal.manifest, self._slots, self._around)
                self._begin(job, self._step(phase, goal, self._installation))
            case machine.Cancel():
                self._cancel()
            case machine.RollBack(job, given_up):
                self._begin(job, self._roll_back(given_up))
            case machine.Remove(job):
                self._begin(job, self._remove())
            case machine.GiveUp(given_up):
                self._later(self._remember(given_up))

    def _step(
        self, phase: Phase, goal: machine.Goal, installation: Installation
    ) -> Coroutine[Any, Any, None]:
        match phase:
            case Phase.SWITCHING:
                return self._switch(installation, goal.attempt)
            case Phase.CONFIRMING:
                return self._confirm(installation)
            case _:
                steps: dict[Phase, Callable[[], Coroutine[Any, Any, None]]] = {
                    Phase.RESOLVING: installation.resolve,
                    Phase.FETCHING: installation.fetch,
                    Phase.VERIFYING: installation.verify,
                    Phase.LOADING: installation.load,
                    Phase.TESTING: installation.test,
                }
                return steps[phase]()

    def _begin(self, job: int, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            event: machine.Event = machine.Done(job)
            try:
                await work
            except Exception as error:  # noqa: BLE001 - each becomes a fault; a model must not stop the others
                fault, for_good = self._explain(error)
                event = machine.Failed(job, fault, for_good)
            self._task = None
            self.handle(event)

        self._task = asyncio.create_task(run())

    def _explain(self, error: Exception) -> tuple[Fault, bool]:
        """The fault that an error of a step is, and whether it is for good."""
        layer, for_good = None, False
        match error:
            case StepError():
                code, text, layer, for_good = error.code, error.text, error.layer, error.for_good
            case RunnerError():
                code, text, layer = error.code, error.text, error.layer
                for_good = code != "killed" or self.state.failures >= MAX_UNEXPLAINED_DEATHS
            case DiskFullError():
                progress = self._installation.progress if self._installation else Progress()
                needed = max(progress.size - progress.have, error.needed)
                code, text = "disk-full", f"disk is full: {error.path} needs {needed} more bytes"
            case TrustError():
                code, text, for_good = error.code, error.what, error.code in _FOREVER
            case BadBlobError():
                code, text = "digest", error.what
            case FleetError():
                code, text = "malformed", error.what
            case OSError():
                code, text = "storage", f"storage failed: {error}"
            case _:
                log.error("%s: a step failed unexpectedly", self.model, exc_info=error)
                code, text = "internal", f"{type(error).__name__}: {error}"
        return self._fault(code, text, layer=layer), for_good

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._installation is not None:
            self._later(self._installation.discard())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)

    # -- what changes the slots' state -----------------------------------------------------------

    async def _switch(self, installation: Installation, attempt: int) -> None:
        """First on disk, then in fact: a power cut in between starts in the trial.

        Raises:
            TrustError: a root that came while the module did has revoked the keys that signed it.
        """
        installation.check(installation.release)
        await self._around.disk(self._slots.begin_trial, installation.release, attempt)
        self._revivals = 0
        await self.service.switch(installation.take_loaded(), keep=True)

    async def _confirm(self, installation: Installation) -> None:
        """The floor first: it must never be behind what was confirmed.

        Raises:
            StepError: a root that came during the trial has revoked the keys that signed the release.
            DiskFullError: there is no room.
        """
        release = installation.release
        try:
            installation.check(release)
        except TrustError as error:
            raise StepError(error.code, error.what, for_good=True) from error
        await self._around.trust.confirm(release.manifest)
        await self._around.disk(self._slots.confirm)
        await self.service.drop_standby()
        self._runtime_fault = None
        self._settled_size = release.target.size
        await self._around.tidy()

    async def _roll_back(self, given_up: GivenUp | None) -> None:
        trial = self._slots.trial()
        await self._around.disk(self._slots.end_trial, given_up)
        if trial is not None:
            await self.service.roll_back(trial.digest)
        active = self._slots.active()
        if active is not None and self.service.active is None:
            self.service.bring_back(active.digest)

    async def _remember(self, given_up: GivenUp) -> None:
        try:
            await self._around.disk(self._slots.give_up, given_up)
        except DiskFullError as error:
            log.warning("%s: cannot remember the failed release: %s", self.model, error.what)

    async def _remove(self) -> None:
        await self.service.stop()
        await self._around.disk(self._slots.clear)
        await self._around.tidy()

    async def load_spare(self) -> Loaded | None:
        """What runs, once more, in a process that yields to every other; None when nothing runs.

        Raises:
            RunnerError: the engine refuses it.
            FleetError: it cannot be read.
        """
        active = self.service.active
        for release in (self._slots.active(), self._slots.trial()):
            if active is not None and release is not None and release.digest == active.slot.manifest:
                wasm = await self._around.disk(self._slots.read_module, release)
                loaded = await load_release(release, wasm, self._around, "profile")
                loaded.runner.yield_to_others()
                return loaded
        return None

    def modules(self) -> set[bytes]:
        """SHA-256 of the modules in the slots."""
        releases = [self._slots.release(slot) for slot in self._slots.state.slots]
        return {release.target.sha256 for release in releases if release is not None}

    # -- runners ---------------------------------------------------------------------------------

    async def _revive(self, manifest: bytes) -> Loaded | None:
        for release in (self._slots.active(), self._slots.trial()):
            if release is not None and release.digest == manifest:
                try:
                    return await self._load(release)
                except FleetError:
                    pass
                except (RunnerError, OSError):
                    if not self._on_trial(manifest):
                        raise
                if self._on_trial(manifest):
                    self.handle(machine.Inferred(self.state.job, self._runtime_fault))
        return None

    def _on_trial(self, manifest: bytes) -> bool:
        work = self.state.work
        observed = self.state.phase in (Phase.OBSERVING, Phase.CONFIRMING)
        return observed and work is not None and work.manifest == manifest

    def _on_outcome(self, loaded: Loaded, error: RunnerError | None) -> bool:
        """An inference ended; gives whether it ends the trial of its release."""
        on_trial = self._on_trial(loaded.slot.manifest)
        if error is None:
            if on_trial:
                self.handle(machine.Inferred(self.state.job))
            return False
        if on_trial and error.code == "killed" and self._revivals < MAX_REVIVALS_ON_TRIAL:
            # Something else may have killed it once; a module that brings its runner down does it again.
            self._revivals += 1
            return False
        fault = self._fault(error.code, error.text, loaded.slot.manifest, error.layer)
        if on_trial and self.state.phase is Phase.OBSERVING:
            self.handle(machine.Inferred(self.state.job, fault))
            return True
        self._runtime_fault = fault
        self._around.changed()
        return False

    # -- reports ---------------------------------------------------------------------------------

    def _fault(self, code: str, text: str, manifest: bytes | None = None, layer: int | None = None) -> Fault:
        if manifest is None and self.state.work is not None:
            manifest = self.state.work.manifest
        moment = max(0, int(self._around.wall()))
        return Fault(code=code, text=text[:1024], layer=layer, at=moment, manifest=manifest)

    def report(self) -> ModelReport:
        """What to tell about this model."""
        state, active = self.state, self.service.active
        progress = self._installation.progress if self._installation else Progress()
        settled = state.phase is Phase.CONFIRMED
        return ModelReport(
            state=state.reported,
            running=active.slot if active else None,
            wanted=state.goal.manifest if state.goal else None,
            have=self._settled_size if settled else progress.have,
            size=self._settled_size if settled else progress.size,
            reused=progress.reused,
            golden=progress.golden,
            fault=state.fault or self._runtime_fault,
            usage=self.service.statistics.usage(),
            received=progress.received,
        )

    @property
    def absent(self) -> bool:
        """Whether the model is neither wanted nor stored."""
        return self.state.phase is Phase.IDLE and self.state.known and self.state.goal is None
