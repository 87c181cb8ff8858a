"""The agent: puts trust, link, updates and the inference API together on one event loop."""

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import platform
import random
import shutil
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from device_agent.commands import Commands
from device_agent.credentials import Credentials
from device_agent.errors import BusyError, DiskFullError
from device_agent.identity import count_boot, load
from device_agent.inference_api import mqtt
from device_agent.inference_api.http import application
from device_agent.link.asked_time import AskedTime
from device_agent.link.client import Link
from device_agent.link.fetcher import Fetcher
from device_agent.link.reporter import Reporter
from device_agent.link.trusted import Store, TrustKeeper
from device_agent.serving import Service
from device_agent.slots.cache import CompiledCache, host_fingerprint
from device_agent.slots.files import DiskFiles, Files
from device_agent.slots.store import ModelSlots, stored_models
from device_agent.update import machine
from device_agent.update.retry import delay
from device_agent.update.surroundings import Surroundings
from device_agent.update.worker import ModelUpdate
from protocol import topics
from protocol.documents import Assignment, Capabilities, Desired, Report, Telemetry
from protocol.errors import FleetError
from protocol.module import ABI

log = logging.getLogger("fleet.agent")
T = TypeVar("T")

TICK_SECONDS = 0.25
RENEWAL_CHECK_SECONDS, RENEWAL_RETRY_SECONDS = 3600.0, 60.0
MAX_MISSING = 128
STATUS_FILE = "agent.json"


def runnable_targets(machine: str) -> tuple[str, ...]:
    """What wasmtime runs on a processor, the fastest first.

    Relaxed products are faster where they become `pmaddubsw` or `sdot`; elsewhere wasmtime spells them out.
    """
    fast = machine.lower() in {"x86_64", "amd64", "aarch64", "arm64"}
    return ("relaxed", "simd", "mvp") if fast else ("simd", "mvp")


@dataclass(frozen=True)
class Settings:
    """What the command line decides."""

    data: Path
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    broker: str | None = None
    """Instead of the one that the claim named."""
    memory: int = 512 << 20
    """Most linear memory of a module, bytes."""
    targets: tuple[str, ...] = field(default_factory=lambda: runnable_targets(platform.machine()))
    telemetry_seconds: float = 5.0
    has_clock: bool = True
    """Whether this machine's clock can be trusted; else the director tells the time."""


class _Server(uvicorn.Server):
    """The daemon handles signals; the server must not."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


class Daemon:
    """One agent. `run` returns when `stop` was called.

    Args:
        settings: See there.
        files: The data folder, if not the real one (tests record and fail writes).
        wall: The device's clock.

    Raises:
        NotClaimedError: the data folder holds no identity.
        DamagedStoreError: a file is damaged.
        BusyError: another agent works on the folder.
    """

    def __init__(
        self, settings: Settings, *, files: Files | None = None, wall: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._files = files or DiskFiles(settings.data)
        self._asked = None if settings.has_clock else AskedTime(time.monotonic, self._send_nonce)
        self._wall = wall if self._asked is None else self._asked.wall
        self._lock_file = _lock(settings.data)
        self.identity, verifier = load(self._files, settings.data)
        self._credentials = Credentials(self._files, settings.data, self.identity)
        self._boot = 0
        self._first_verifier = verifier
        self._updates: dict[str, ModelUpdate] = {}
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._broken: BaseException | None = None
        self._disk_thread = ThreadPoolExecutor(1, "disk")
        self._version = metadata.version("modelfleet")
        self.capabilities = Capabilities(
            device_class=self.identity.device_class,
            targets=settings.targets,
            abi=ABI,
            memory=settings.memory,
            agent=self._version,
            platform=f"{platform.system()} {platform.machine()}".lower(),
            storage=shutil.disk_usage(settings.data).free,
        )

    # -- life ------------------------------------------------------------------------------------

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`; `started` is called when stored models answer.

        Raises:
            Exception: a part that the agent cannot do without has ended.
        """
        listener = _listen(self._settings.http_host, self._settings.http_port)
        device = self.identity.device
        self._trust = TrustKeeper(
            Store(self._files, self._disk),
            self._first_verifier,
            self._wall,
            self._accepted,
            self._subscribe_root,
            self._asked,
        )
        self._link = Link(
            device, self._settings.broker or self.identity.broker, self._message, self._connection,
            tls=self._credentials.tls,
        )  # fmt: skip
        self._fetcher = Fetcher(self._link, time.monotonic)
        self._reporter = Reporter(self._link, device, self.identity.report_key, self._report, self._telemetry)
        self._commands = Commands(
            self.identity.report_key,
            self._trust.trusted_verifier,
            self._updates.get,
            lambda result: self._link.publish(topics.device(device, "result"), result, qos=1),
            self._wall,
        )
        self._around = Surroundings(
            fetcher=self._fetcher,
            cache=CompiledCache(self._files, host_fingerprint()),
            trust=self._trust,
            capabilities=self.capabilities,
            wrapping_key=self.identity.wrapping_key,
            disk=self._disk,
            monotonic=time.monotonic,
            wall=self._wall,
            changed=self._reporter.changed,
            tidy=self._tidy,
        )
        app = application(self, self._version)
        server = _Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", ws="none", http="h11",
                timeout_graceful_shutdown=5,
            )
        )  # fmt: skip
        serving: asyncio.Task[None] | None = None
        try:
            # The socket listens already: early requests wait for the stored models instead of failing.
            await self._start_stored()
            serving = self._spawn(server.serve(sockets=[listener]))
            self._write_status_file(listener)
            self._link.start()
            self._spawn(self._tell_forever())
            self._spawn(self._tick_forever())
            self._spawn(self._renew_forever())
            started()
            await self._stopping.wait()
        finally:
            server.should_exit = True
            await self._link.stop()
            await asyncio.gather(*(update.stop() for update in self._updates.values()))
            if serving is not None:
                await asyncio.gather(serving, return_exceptions=True)
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            listener.close()
            self._disk_thread.shutdown()
            os.close(self._lock_file)
        if self._broken is not None:
            raise self._broken

    def stop(self) -> None:
        """Ask `run` to return."""
        self._stopping.set()

    async def _start_stored(self) -> None:
        for model in stored_models(self._files):
            self._updates[model] = ModelUpdate(model, ModelSlots(self._files, model), self._around)
        await asyncio.gather(*(update.start() for update in self._updates.values()))
        if self._trust.verifier.state.assignment is not None:
            self._accepted(self._trust.verifier.assignment())

    def _write_status_file(self, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        text = json.dumps({"pid": os.getpid(), "http": f"http://{host}:{port}"})
        try:
            (self._settings.data / STATUS_FILE).write_text(text)
        except OSError as error:
            log.warning("fleet-agent status will not find this agent: %s", error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a part of the agent has ended: %s", error)
            self._broken = error
            self._stopping.set()

    def _answer(self, work: Coroutine[Any, Any, None]) -> None:
        """Deal with a message; whatever it brings about, the next one is dealt with too."""

        async def run() -> None:
            try:
                await work
            except Exception:
                log.exception("a message could not be dealt with")

        self._spawn(run())

    async def _disk(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk_thread, function, *arguments)

    # -- what arrives ----------------------------------------------------------------------------

    def _connection(self, connected: bool) -> None:  # noqa: FBT001 - a callback's fixed form
        if connected:
            log.info("broker connected")
            device = self.identity.device
            leaves = ("desired", "infer/in", "cmd", "time")
            self._link.subscribe([topics.device(device, leaf) for leaf in leaves])
            self._subscribe_root()
            if self._asked is not None:
                self._asked.ask()
            self._reporter.changed()
        self._fetcher.connected(yes=connected)

    def _send_nonce(self, nonce: bytes) -> None:
        self._link.publish(topics.device(self.identity.device, "nonce"), nonce, qos=1)

    def _subscribe_root(self) -> None:
        self._link.subscribe([topics.root(self._trust.verifier.root.version + 1)])

    def _message(self, topic: str, payload: bytes) -> None:
        device = self.identity.device
        if not payload or self._fetcher.take(topic, payload):
            return
        if topic == topics.device(device, "desired"):
            self._answer(self._take(self._trust.take_assignment(payload)))
        elif topic == topics.device(device, "infer/in"):
            self._answer(self._infer(payload))
        elif topic == topics.device(device, "time"):
            self._answer(self._take(self._trust.take_time(payload)))
        elif topic == topics.device(device, "cmd"):
            self._answer(self._commands.take(payload))
        elif topic.startswith(f"{topics.PREFIX}/root/"):
            self._answer(self._take(self._trust.take_root(payload)))

    async def _take(self, work: Coroutine[Any, Any, None]) -> None:
        await work
        self._reporter.changed()

    async def _infer(self, payload: bytes) -> None:
        answer = await mqtt.answer(self.services, payload)
        if answer is not None:
            self._link.publish(topics.device(self.identity.device, "infer/out"), answer)

    def _accepted(self, assignment: Assignment) -> None:
        barrier = self._trust.barrier()
        for model, desired in assignment.models.items():
            update = self._updates.get(model)
            if update is None:
                update = ModelUpdate(model, ModelSlots(self._files, model), self._around)
                self._updates[model] = update
            update.handle(machine.Barred(barrier))
            update.handle(machine.Wanted(_goal(desired)))
        for model, update in self._updates.items():
            if model not in assignment.models:
                update.handle(machine.Wanted(None))
        self._reporter.changed()

    async def _tick_forever(self) -> None:
        told: object = None
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._fetcher.advance()
            if self._asked is not None:
                self._asked.advance()
            barrier = self._trust.barrier()
            if told != (told := (barrier, self._fetcher.missing)):
                self._reporter.changed()
            for model, update in list(self._updates.items()):
                if update.state.barred != barrier:
                    update.handle(machine.Barred(barrier))
                update.handle(machine.Tick())
                if update.absent:
                    del self._updates[model]
                    self._reporter.changed()

    async def _renew_forever(self) -> None:
        """Renew the certificate while it holds; one that expired in a long sleep is renewed as well."""
        while True:
            wait = RENEWAL_CHECK_SECONDS
            if self._credentials.is_due(self._wall()):
                try:
                    await asyncio.to_thread(self._credentials.renew)
                    log.info("the certificate is renewed, it holds until %s", self._credentials.expires)
                except (FleetError, OSError) as error:
                    log.warning("the certificate is not renewed, tries again: %s", error)
                    wait = RENEWAL_RETRY_SECONDS
            await asyncio.sleep(wait * (0.5 + random.random()))  # noqa: S311 - jitter

    async def _tidy(self) -> None:
        needed = {digest for update in self._updates.values() for digest in update.modules()}
        try:
            await self._disk(self._around.cache.retain, needed)
        except OSError as error:
            log.warning("compiled code that nobody needs cannot be removed: %s", error)

    # -- what is told ----------------------------------------------------------------------------

    async def _tell_forever(self) -> None:
        """Reports and telemetry, once the number of this start is stored: no two starts may share it."""
        failures = 0
        while not self._boot:
            try:
                self._boot = await self._disk(count_boot, self._files)
            except (DiskFullError, OSError) as error:
                failures += 1
                reason = error.what if isinstance(error, DiskFullError) else error
                log.warning("serves, but does not report until this start can be counted: %s", reason)
                await asyncio.sleep(delay(failures, random.random()))  # noqa: S311 - jitter
        await asyncio.gather(
            self._reporter.report_forever(),
            self._reporter.telemetry_forever(self._settings.telemetry_seconds),
        )

    @property
    def services(self) -> dict[str, Service]:
        """Served models by name."""
        return {model: update.service for model, update in self._updates.items()}

    def _report(self, sequence: int) -> Report:
        verifier = self._trust.verifier
        now = int(self._wall())
        return Report(
            device=self.identity.device,
            boot=self._boot,
            sequence=sequence,
            root=verifier.root.version,
            generation=verifier.state.generation,
            stale=verifier.is_stale(now),
            models={model: update.report() for model, update in self._updates.items()},
            missing=tuple(self._fetcher.missing[:MAX_MISSING]),
            capabilities=self.capabilities,
            fault=self._trust.fault or self._trust.barrier(),
            clock=max(0, now),
        )

    def _telemetry(self, sequence: int) -> Telemetry:
        running = {m: u.service for m, u in self._updates.items() if u.service.active is not None}
        return Telemetry(
            device=self.identity.device,
            boot=self._boot,
            sequence=sequence,
            models={model: service.statistics.usage() for model, service in running.items()},
            versions={model: s.active.slot.version for model, s in running.items() if s.active is not None},
        )

    def status(self) -> dict[str, Any]:
        """The report's content, whether the broker is connected, and how runners are closed off."""
        report = self._report(0).model_dump(mode="json", exclude_none=True)
        for model, service in self.services.items():
            if service.active is not None and model in report["models"]:
                report["models"][model]["sandbox"] = service.active.runner.sandbox
        return {"running": True, "connected": self._link.connected, **report}


def _goal(desired: Desired) -> machine.Goal:
    attempt = desired.attempt or 0
    if desired.observe is None:
        return machine.Goal(desired.manifest, attempt)
    return machine.Goal(desired.manifest, attempt, *desired.observe)


def _lock(data: Path) -> int:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise BusyError(
            f"another agent works on {data}", remedy="stop it, or give another folder by --data"
        ) from error
    return descriptor


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=256)
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise BusyError(f"address {host}:{port} {why}", remedy="give another by --http HOST:PORT") from error
