"""What the director asks for beside the desired state: done in a process of its own, answered once."""

import asyncio
import logging
from collections.abc import Callable

from device_agent.runner.supervisor import RunnerError
from device_agent.update.worker import ModelUpdate
from protocol import cose
from protocol.commands import PROFILE, RESULT, Command, LayerTimes, Result, accept_command
from protocol.documents import Fault
from protocol.enrolment import report_key_id
from protocol.errors import FleetError
from protocol.trust import Verifier

log = logging.getLogger("fleet.commands")

PROFILE_SECONDS = 50.0


class CommandError(FleetError):
    """A command that cannot be carried out; `code` is one word for programs."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


class Commands:
    """Carries out commands, one at a time.

    Args:
        key: The device's report key.
        verifier: Gives the rules at their present state, or raises while the clock cannot be right.
        model: Gives a model of this device by its name.
        publish: Publishes an answer.
        wall: The device's clock.
    """

    def __init__(
        self,
        key: bytes,
        verifier: Callable[[], Verifier],
        model: Callable[[str], ModelUpdate | None],
        publish: Callable[[bytes], None],
        wall: Callable[[], float],
    ) -> None:
        self._key, self._kid = key, report_key_id(key)
        self._verifier = verifier
        self._model = model
        self._publish = publish
        self._wall = wall
        self._started = int(wall())
        self._done: dict[bytes, int] = {}
        self._at_work = asyncio.Lock()

    async def take(self, data: bytes) -> None:
        """A command has arrived; one that a rule refuses is answered by nobody."""
        now = int(self._wall())
        self._done = {identity: expires for identity, expires in self._done.items() if expires > now}
        try:
            command = accept_command(self._verifier(), data, now=now, started=self._started, done=self._done)
        except FleetError as error:
            log.warning("refused a command: %s", error.what)
            return
        self._done[command.id] = command.expires
        result = await self._carry_out(command)
        self._publish(cose.mac0(RESULT, result.encode(), self._key, self._kid))

    async def _carry_out(self, command: Command) -> Result:
        times = None
        fault = None
        try:
            times = await self._work(command)
        except RunnerError as error:
            fault = self._fault(error.code, error.text, error.layer)
        except CommandError as error:
            fault = self._fault(error.code, error.what)
        except (FleetError, OSError) as error:
            fault = self._fault("storage", str(error))
        return Result(device=command.device, id=command.id, fault=fault, profile=times)

    async def _work(self, command: Command) -> LayerTimes:
        if self._at_work.locked():
            raise CommandError("busy", "another command is being carried out")
        if command.command != PROFILE:
            raise CommandError("unknown-command", f"this agent knows no command {command.command}")
        update = self._model(command.model)
        if update is None:
            raise CommandError("unknown-model", f"model {command.model} is not on this device")
        async with self._at_work:
            return await profile(update, command)

    def _fault(self, code: str, text: str, layer: int | None = None) -> Fault:
        return Fault(code=code, text=text[:1024], layer=layer, at=max(0, int(self._wall())))


async def profile(update: ModelUpdate, command: Command) -> LayerTimes:
    """Time the layers of what a model runs.

    Raises:
        CommandError: It runs nothing.
        RunnerError: The second process failed, or took longer than `PROFILE_SECONDS`.
    """
    spare = await update.load_spare()
    if spare is None:
        raise CommandError("not-ready", f"no release of {update.model} is running on this device")
    try:
        measured = await spare.runner.profile(command.rounds, PROFILE_SECONDS)
    finally:
        await spare.runner.stop()
    return LayerTimes(
        manifest=spare.slot.manifest,
        version=spare.slot.version,
        target=spare.slot.target,
        layers=tuple(round(1000 * nanoseconds) for nanoseconds in measured["layers"]),
        run=round(1000 * measured["run"]),
        call=round(1000 * measured["call"]),
        rounds=measured["rounds"],
        times=tuple(measured["times"]),
    )
