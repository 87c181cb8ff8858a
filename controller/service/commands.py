"""Asks devices to look at something, and keeps their answers for whoever asked.

Answers live in memory for a while: one that is lost with the process is asked for again.
"""

import secrets
import time
from dataclasses import dataclass

from controller.service.context import ConflictError, Context, NotFoundError, OfflineError
from controller.service.devices import find
from controller.service.releases import Releases
from controller.store import tables as t
from controller.store.records import one
from protocol import api, cose, topics
from protocol.commands import COMMAND, PROFILE, Command, LayerTimes, Result
from protocol.documents import Fault

LIFE = 60
"""Seconds in which a device must begin and answer."""
KEPT = 600
"""Seconds for which an answer is kept."""
MOST = 256
"""Most commands that are kept."""


@dataclass
class _Asked:
    device: str
    model: str
    issued: int
    result: Result | None = None


class Commands:
    """`fleet profile --device`."""

    def __init__(self, context: Context, releases: Releases) -> None:
        self._context = context
        self._releases = releases
        self._asked: dict[bytes, _Asked] = {}

    def profile(self, name: str, request: api.ProfileRequest) -> api.DeviceProfile:
        """Ask a device to time the layers of what it runs of a model.

        Raises:
            NotFoundError: there is no such device.
            OfflineError: it does not hear now.
            ConflictError: too many others wait.
        """
        context = self._context
        with context.transaction() as tx:
            row = find(tx, name)
            context.audit(tx, "profile", f"{request.model} on {name}")
        if not row["online"]:
            raise OfflineError(
                f"{name} is offline and cannot be asked", remedy=f"fleet why {name} says since when"
            )
        now = context.clock()
        with context.lock:
            self._asked = {k: asked for k, asked in self._asked.items() if now - asked.issued < KEPT}
            if len(self._asked) >= MOST:
                raise ConflictError(f"{MOST} commands are kept already", remedy="ask again in some minutes")
            identity = secrets.token_bytes(16)
            self._asked[identity] = _Asked(name, request.model, now)
        command = Command(
            device=name, id=identity, issued=now, expires=now + LIFE, command=PROFILE, model=request.model,
            rounds=request.rounds,
        )  # fmt: skip
        signed = cose.sign(COMMAND, command.encode(), [context.director])
        context.publisher.send(topics.device(name, "cmd"), signed)
        return self._describe(identity)

    def get(self, name: str, identity: str, wait: float = 0) -> api.DeviceProfile:
        """The answer of a device; while there is none, after at most `wait` seconds.

        Raises:
            NotFoundError: nobody asked, or too long ago.
        """
        context = self._context
        deadline = time.monotonic() + wait
        with context.lock:
            while (found := self._find(name, identity)).state == "waiting" and not context.closing:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                context.changed.wait(min(left, 1.0))
            return found

    def take(self, result: Result) -> None:
        """A device has answered; what nobody asked is nothing."""
        asked = self._asked.get(result.id)
        if asked is not None and asked.device == result.device and asked.result is None:
            asked.result = result

    def _find(self, name: str, identity: str) -> api.DeviceProfile:
        asked = self._asked.get(bytes.fromhex(identity))
        if asked is None or asked.device != name:
            raise NotFoundError(f"nobody asked {name} that, or too long ago", remedy="ask again")
        return self._describe(bytes.fromhex(identity))

    def _describe(self, identity: bytes) -> api.DeviceProfile:
        asked = self._asked[identity]
        found = api.DeviceProfile(id=identity.hex(), device=asked.device, model=asked.model, state="waiting")
        result = asked.result
        if result is None:
            late = self._context.clock() > asked.issued + LIFE
            return found.model_copy(update={"state": "lost"}) if late else found
        if result.profile is None:
            fault = result.fault or Fault(code="empty", text="the device answered without saying anything")
            return found.model_copy(update={"state": "failed", "fault": fault})
        return self._with_times(found, result.profile)

    def _with_times(self, found: api.DeviceProfile, times: LayerTimes) -> api.DeviceProfile:
        """The device tells times only; what its layers are, the release says."""
        with self._context.transaction() as tx:
            row = one(tx, t.releases, manifest=times.manifest.hex(), model=found.model)
        meta = self._releases.metadata(row, times.target) if row is not None else None
        if meta is None or not len(meta.layers) == len(times.layers) == len(times.times):
            fault = Fault(code="mismatch", text="the device profiled a module that is no release of ours")
            return found.model_copy(update={"state": "failed", "fault": fault})
        return found.model_copy(
            update={
                "state": "done",
                "version": meta.version,
                "target": meta.target,
                "metadata": meta.encode().hex(),
                "layers": [time / 1e12 for time in times.layers],
                "times": list(times.times),
                "run": times.run / 1e12,
                "call": times.call / 1e12,
                "rounds": times.rounds,
            }
        )
