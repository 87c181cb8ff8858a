"""Carries out what the machine decides for one model, and feeds it what came of it."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from device_agent.errors import DiskFullError
from device_agent.link.fetcher import Fetcher
from device_agent.runner.supervisor import Runner, RunnerError
from device_agent.serving import Loaded, Service
from device_agent.slots.cache import CompiledCache
from device_agent.slots.record import GivenUp, StagedRelease
from device_agent.slots.store import ModelSlots, Release
from device_agent.update import golden, machine
from device_agent.update.machine import Phase
from protocol import module
from protocol.chunks import MAX_PAGES, open_page
from protocol.documents import Capabilities, Fault, Manifest, ModelReport
from protocol.errors import FleetError
from protocol.trust import TrustError, Verifier, check_meta, choose_target

log = logging.getLogger("fleet.update")
T = TypeVar("T")

MAX_BOOTS_ON_TRIAL = 3
MAX_REVIVALS_ON_TRIAL = 2
MAX_UNEXPLAINED_DEATHS = 3
_FOREVER = frozenset({"below-floor", "no-fit", "wrong-class", "mix-and-match"})
"""Refusals of a manifest that its next copy would meet too; a bad signature may be replaced."""


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
    """What all models of a device share."""

    fetcher: Fetcher
    cache: CompiledCache
    trust: Trust
    capabilities: Capabilities
    disk: Callable[..., Coroutine[Any, Any, Any]]
    """Runs a function on the one thread that touches the disk."""
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    changed: Callable[[], None]
    """Tells that a report is due."""
    tidy: Callable[[], Coroutine[Any, Any, None]]
    """Forgets compiled code that no slot needs."""


@dataclass
class Progress:
    """How far the present job is; for reports only."""

    size: int = 0
    have: int = 0
    reused: int = 0
    received: int = 0
    golden: tuple[int, int] | None = None


class StepError(Exception):
    """A step failed with a fault that a report can carry."""

    def __init__(self, fault: Fault, *, for_good: bool) -> None:
        super().__init__(fault.text)
        self.fault = fault
        self.for_good = for_good


class ModelUpdate:
    """One model on this device: its slots, its service, and the machine that moves it on."""

    def __init__(self, model: str, slots: ModelSlots, around: Surroundings) -> None:
        self.model = model
        self.service = Service(model, self._revive, self._on_outcome)
        self.state = machine.State()
        self._slots = slots
        self._around = around
        self._progress = Progress()
        self._release: Release | None = None
        self._candidate: Loaded | None = None
        self._wasm = b""
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
        if active is not None and (loaded := await self._try_load(active)) is not None:
            confirmed = active.digest
            self._progress = Progress(size=active.target.size)
            await self.service.switch(loaded, keep=False)
        failure: Fault | None = None
        if trial is not None:
            goal = machine.Goal(trial.digest, slots.state.attempt)
            if await disk(slots.count_boot) > MAX_BOOTS_ON_TRIAL:
                failure = self._fault(
                    "crash-loop", f"agent ended {MAX_BOOTS_ON_TRIAL} times in the trial", trial
                )
            elif (loaded := await self._try_load(trial)) is not None:
                self._release = trial
                await self.service.switch(loaded, keep=True)
            else:
                failure = self._runtime_fault
        elif slots.state.trial is not None:
            await disk(slots.end_trial, None)
        self.state = machine.resume(confirmed, goal, slots.state.given_up, now)
        if goal is not None and failure is not None:
            self.handle(machine.Inferred(self.state.job, failure))

    async def _try_load(self, release: Release) -> Loaded | None:
        try:
            wasm = await self._around.disk(self._slots.read_module, release)
            return await self._load(release, wasm)
        except (FleetError, RunnerError) as error:
            text = error.text if isinstance(error, RunnerError) else str(error)
            code = error.code if isinstance(error, RunnerError | TrustError) else "module"
            self._runtime_fault = self._fault(code, f"stored {text}", release)
            log.warning("%s: stored release cannot be loaded: %s", self.model, text)
            return None

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
                if phase is Phase.RESOLVING:
                    self._progress, self._release = Progress(), None
                self._begin(job, self._steps()[phase](goal))
            case machine.Cancel():
                self._cancel()
            case machine.RollBack(job, given_up):
                self._begin(job, self._roll_back(given_up))
            case machine.Remove(job):
                self._begin(job, self._remove())
            case machine.GiveUp(given_up):
                self._later(self._remember(given_up))

    def _steps(self) -> dict[Phase, Callable[[machine.Goal], Coroutine[Any, Any, None]]]:
        return {
            Phase.RESOLVING: self._resolve,
            Phase.FETCHING: self._fetch,
            Phase.VERIFYING: self._verify,
            Phase.LOADING: self._load_candidate,
            Phase.TESTING: self._test,
            Phase.SWITCHING: self._switch,
            Phase.CONFIRMING: self._confirm,
        }

    def _begin(self, job: int, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            except StepError as error:
                event: machine.Event = machine.Failed(job, error.fault, error.for_good)
            except DiskFullError as error:
                event = machine.Failed(job, self._disk_full(error), for_good=False)
            except RunnerError as error:
                often = self.state.failures >= MAX_UNEXPLAINED_DEATHS
                event = machine.Failed(
                    job,
                    self._fault(error.code, error.text, layer=error.layer),
                    error.code != "killed" or often,
                )
            except TrustError as error:
                event = machine.Failed(job, self._fault(error.code, str(error.what)), error.code in _FOREVER)
            except FleetError as error:
                event = machine.Failed(job, self._fault("digest", error.what), for_good=False)
            except OSError as error:
                event = machine.Failed(
                    job, self._fault("storage", f"storage failed: {error}"), for_good=False
                )
            else:
                event = machine.Done(job)
            self._task = None
            self.handle(event)

        self._task = asyncio.create_task(run())

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._candidate is not None:
            self._later(self._candidate.runner.stop())
            self._candidate = None
        self._wasm = b""

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)

    # -- the steps -------------------------------------------------------------------------------

    async def _resolve(self, goal: machine.Goal) -> None:
        """Manifest and index: from the spare slot if they are there, else from the broker."""
        around = self._around

        def check(data: bytes) -> None:
            around.trust.verifier.check_manifest(self.model, data, goal.manifest)

        staged: Release | None = await around.disk(self._slots.staged, goal.manifest)
        if staged is not None:
            check(staged.document.manifest)
            choose_target(staged.manifest, around.capabilities)
            self._release = staged
            return
        data = await around.fetcher.manifest(goal.manifest, check)
        manifest = around.trust.verifier.check_manifest(self.model, data, goal.manifest)
        name, target = choose_target(manifest, around.capabilities)
        pages: list[bytes] = []
        following: bytes | None = target.index
        while following is not None and len(pages) < MAX_PAGES:
            page = await around.fetcher.blob(following)
            pages.append(page)
            with self._refusal_is_final("index"):
                following = open_page(page, following, name).next
        release = Release("", StagedRelease(manifest=data, target=name, pages=tuple(pages)))
        with self._refusal_is_final("index"):
            _ = release.index
        self._release = await around.disk(self._slots.stage, release.document)

    @contextlib.contextmanager
    def _refusal_is_final(self, code: str) -> Iterator[None]:
        """What is named by a signed digest says the same in every copy: a fault in it is for good."""
        try:
            yield
        except FleetError as error:
            raise StepError(self._fault(code, error.what), for_good=True) from error

    @property
    def _staged(self) -> Release:
        if self._release is None:
            raise RuntimeError("a step ran before its release was resolved")
        return self._release

    async def _fetch(self, _goal: machine.Goal) -> None:
        """All chunks that are not on the device yet, each stored as soon as it is checked."""
        release, disk = self._staged, self._around.disk
        layout = release.layout
        here: set[bytes] = await disk(self._slots.present, release)
        here |= await disk(self._slots.reuse, release, [d for d in layout.places if d not in here])
        have = sum(layout.bytes_of(digest) for digest in here)
        self._progress = Progress(size=release.target.size, have=have, reused=have)
        self._around.changed()
        try:
            async with asyncio.TaskGroup() as group:
                for digest in layout.places:
                    if digest not in here:
                        group.create_task(self._fetch_one(release, digest))
        except* (FleetError, StepError, OSError) as several:
            raise several.exceptions[0] from None

    async def _fetch_one(self, release: Release, digest: bytes) -> None:
        data = await self._around.fetcher.blob(digest)
        if len(data) != release.layout.places[digest][0].length:
            raise StepError(
                self._fault(
                    "index", f"chunk sha256:{digest.hex()[:8]}… has another length than the index says"
                ),
                for_good=True,
            )
        await self._around.disk(self._slots.put, release, digest, data)
        self._progress.have += release.layout.bytes_of(digest)
        self._progress.received += len(data)
        self._around.changed()

    async def _verify(self, _goal: machine.Goal) -> None:
        """The whole module against the manifest, and its form against the ABI."""
        release = self._staged
        try:
            wasm = await self._around.disk(self._slots.seal, release)
        except TrustError as error:
            present = await self._around.disk(self._slots.present, release)
            # All chunks right and the whole wrong: the index lies. Otherwise the disk does.
            for_good = present == set(release.layout.places)
            raise StepError(self._fault(error.code, error.what), for_good=for_good) from error
        with self._refusal_is_final("module"):
            meta = module.check(wasm)
            check_meta(meta, release.manifest, release.document.target)
        self._wasm = wasm

    async def _load_candidate(self, _goal: machine.Goal) -> None:
        self._candidate = await self._load(self._staged, self._wasm)
        self._wasm = b""

    async def _load(self, release: Release, wasm: bytes) -> Loaded:
        """A new runner with a module in it, compiled or from the cache."""
        around = self._around
        digest = release.target.sha256
        runner = await Runner.start(module.check(wasm))
        try:
            compiled = await runner.load(wasm, await around.disk(around.cache.get, digest))
        except BaseException:
            await runner.stop()
            raise
        if compiled is not None:
            await around.disk(around.cache.put, digest, compiled)
        return Loaded(runner, release.summary, max(release.target.deadline, 1) / 1000)

    @property
    def _loaded(self) -> Loaded:
        if self._candidate is None:
            raise RuntimeError("a step ran before its module was loaded")
        return self._candidate

    async def _test(self, _goal: machine.Goal) -> None:
        """Every golden case in the new runner, before anything depends on it."""
        release, loaded = self._staged, self._loaded
        cases = release.index.golden
        stored = partial(self._around.disk, self._slots.read_golden, release)
        for number in range(len(cases)):
            self._progress.golden = (number, len(cases))
            self._around.changed()
            difference = await golden.check(loaded, release.index, number, stored)
            if difference is not None:
                fault = self._fault("golden", difference.text, layer=difference.layer)
                raise StepError(fault, for_good=True)
        self._progress.golden = (len(cases), len(cases))

    async def _switch(self, goal: machine.Goal) -> None:
        """First on disk, then in fact: a power cut in between starts in the trial."""
        await self._around.disk(self._slots.begin_trial, self._staged, goal.attempt)
        self._revivals = 0
        loaded, self._candidate = self._loaded, None
        await self.service.switch(loaded, keep=True)

    async def _confirm(self, _goal: machine.Goal) -> None:
        """The floor first: it must never be behind what was confirmed."""
        await self._around.trust.confirm(self._staged.manifest)
        await self._around.disk(self._slots.confirm)
        await self.service.drop_standby()
        self._runtime_fault = None
        await self._around.tidy()

    async def _roll_back(self, given_up: GivenUp | None) -> None:
        trial = self._slots.trial()
        await self._around.disk(self._slots.end_trial, given_up)
        if trial is not None:
            await self.service.roll_back(trial.digest)

    async def _remember(self, given_up: GivenUp) -> None:
        try:
            await self._around.disk(self._slots.give_up, given_up)
        except DiskFullError as error:
            log.warning("%s: cannot remember the failed release: %s", self.model, error.what)

    async def _remove(self) -> None:
        await self.service.stop()
        await self._around.disk(self._slots.clear)
        await self._around.tidy()

    def modules(self) -> set[bytes]:
        """SHA-256 of the modules in the slots."""
        releases = [self._slots.release(slot) for slot in self._slots.state.slots]
        return {release.target.sha256 for release in releases if release is not None}

    # -- runners that die ------------------------------------------------------------------------

    async def _revive(self, dead: Loaded) -> Loaded | None:
        for release in (self._slots.active(), self._slots.trial()):
            if release is not None and release.digest == dead.slot.manifest:
                loaded = await self._try_load(release)
                if loaded is None and self._on_trial(dead):
                    self.handle(machine.Inferred(self.state.job, self._runtime_fault))
                return loaded
        return None

    def _on_trial(self, loaded: Loaded) -> bool:
        work = self.state.work
        observed = self.state.phase in (Phase.OBSERVING, Phase.CONFIRMING)
        return observed and work is not None and work.manifest == loaded.slot.manifest

    def _on_outcome(self, loaded: Loaded, error: RunnerError | None) -> bool:
        """An inference ended; gives whether it ends the trial of its release."""
        on_trial = self._on_trial(loaded)
        if error is None:
            if on_trial:
                self.handle(machine.Inferred(self.state.job))
            return False
        fault = self._fault(error.code, error.text, layer=error.layer, manifest=loaded.slot.manifest)
        if on_trial and error.code == "killed" and self._revivals < MAX_REVIVALS_ON_TRIAL:
            # Something else may have killed it once; a module that brings its runner down does it again.
            self._revivals += 1
            return False
        if on_trial:
            self.handle(machine.Inferred(self.state.job, fault))
            return self.state.phase is not Phase.CONFIRMING
        self._runtime_fault = fault
        self._around.changed()
        return False

    # -- reports ---------------------------------------------------------------------------------

    def _fault(
        self,
        code: str,
        text: str,
        release: Release | None = None,
        *,
        layer: int | None = None,
        manifest: bytes | None = None,
    ) -> Fault:
        if manifest is None:
            work = self.state.work
            manifest = release.digest if release is not None else work.manifest if work else None
        return Fault(code=code, text=text[:1024], layer=layer, at=int(self._around.wall()), manifest=manifest)

    def _disk_full(self, error: DiskFullError) -> Fault:
        needed = max(self._progress.size - self._progress.have, error.needed)
        return self._fault("disk-full", f"disk is full: {error.path} needs {needed} more bytes")

    def report(self) -> ModelReport:
        """What to tell about this model."""
        state, progress, active = self.state, self._progress, self.service.active
        wanted = state.goal.manifest if state.goal else None
        size = progress.size
        settled = state.phase is Phase.CONFIRMED
        return ModelReport(
            state=state.reported,
            running=active.slot if active else None,
            wanted=wanted,
            have=size if settled else progress.have,
            size=size,
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
