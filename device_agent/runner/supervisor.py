"""The agent's end of a runner process: requests, deadlines, and what its death means."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, Literal

from device_agent.runner import wire
from protocol.module import ModuleMeta, TensorMeta

# Python, numpy and wasmtime with room to compile; the module's own memory comes on top.
BASE_MEMORY = 320 << 20
LOAD_SECONDS = 60.0
_ASK_SECONDS = 0.2
LEAST_PRIORITY = 19
_KEPT = {"PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ"}

Purpose = Literal["serve", "profile"]


class RunnerError(Exception):
    """A module failed; the text names the layer where one was running.

    Attributes:
        code: `trap`, `deadline`, `nonfinite`, `memory`, `load`, `input` or `killed`.
        layer: Index of the layer, if one was running.
    """

    def __init__(self, code: str, text: str, layer: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.layer = layer


class Runner:
    """One process that holds one module. Made by `start`, ended by `stop`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        control: socket.socket,
        watch: socket.socket,
        meta: ModuleMeta,
    ) -> None:
        self._process = process
        self._control = control
        self._watch = watch
        self._lock = asyncio.Lock()
        self._alive = True
        self.meta = meta
        self.sandbox: dict[str, int] = {}
        """What of `device_agent.runner.sandbox` is in force; known once a module is loaded."""

    @classmethod
    async def start(cls, meta: ModuleMeta, purpose: Purpose = "serve") -> "Runner":
        """Start a process for a module with these metadata; nothing is loaded yet."""
        control, theirs = socket.socketpair()
        watch, their_watch = socket.socketpair()
        with theirs, their_watch:
            arguments = (theirs.fileno(), their_watch.fileno(), os.getpid(), BASE_MEMORY + meta.memory)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "device_agent.runner", *map(str, arguments), purpose,
                    pass_fds=(theirs.fileno(), their_watch.fileno()), stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL, env=_environment(),
                )  # fmt: skip
            except BaseException:
                control.close()
                watch.close()
                raise
        for end in (control, watch):
            end.setblocking(False)
        return cls(process, control, watch, meta)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._alive and self._process.returncode is None

    async def ended(self) -> None:
        """Wait until the process has ended, for whatever reason."""
        await self._process.wait()

    async def load(self, wasm: bytes, code: bytes | None) -> bytes | None:
        """Load a module.

        Args:
            wasm: The module.
            code: Its compiled form, from the cache.

        Returns:
            The compiled form, when it had to be compiled.

        Raises:
            RunnerError: the engine refuses it, or it needs too much memory.
        """
        meta = self.meta
        argument = {
            "wasm": wasm,
            "code": code,
            "inputs": [_tensor(t) for t in meta.inputs],
            "outputs": [_tensor(t) for t in meta.outputs],
            "relaxed": meta.target == "relaxed",
            "layers": [[layer.offset, layer.size, layer.dtype] for layer in meta.layers],
        }
        answer = await self._ask(wire.LOAD, argument, LOAD_SECONDS)
        self.sandbox = answer["sandbox"]
        code_made: bytes | None = answer["code"]
        return code_made

    async def run(
        self, inputs: dict[str, bytes], seconds: float, *, reset: bool = False
    ) -> dict[str, wire.Output]:
        """One inference; tensors with a scale are float32, little-endian.

        Raises:
            RunnerError: it failed, or took longer than `seconds` and was killed for it.
        """
        answer = await self._ask(wire.RUN, {"inputs": inputs, "reset": reset}, seconds)
        return {name: wire.Output(tuple(shape), data) for name, (shape, data) in answer.items()}

    async def golden(self, inputs: Sequence[bytes], seconds: float) -> bytes:
        """SHA-256 of the outputs for inputs in the module's own types."""
        answer: bytes = await self._ask(wire.GOLDEN, {"inputs": list(inputs)}, seconds)
        return answer

    async def trace(self, inputs: Sequence[bytes], seconds: float) -> list[bytes]:
        """Digest of every layer's output for the same."""
        answer: list[bytes] = await self._ask(wire.TRACE, {"inputs": list(inputs)}, seconds)
        return answer

    async def profile(self, rounds: int | None, seconds: float) -> dict[str, Any]:
        """The fields of `protocol.profiling.Timing`, for pseudo-random inputs."""
        argument = {"meta": self.meta.encode(), "rounds": rounds}
        answer: dict[str, Any] = await self._ask(wire.PROFILE, argument, seconds)
        return answer

    def yield_to_others(self) -> None:
        """Let every other process go first: whoever serves must not wait for this one."""
        os.setpriority(os.PRIO_PROCESS, self.pid, LEAST_PRIORITY)

    async def stop(self) -> None:
        """End the process and wait for it."""
        self._kill()
        await self._process.wait()
        self._control.close()
        self._watch.close()

    def _kill(self) -> None:
        self._alive = False
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def _ask(self, operation: str, argument: dict[str, Any], seconds: float) -> Any:
        async with self._lock:
            if not self.alive:
                raise RunnerError("killed", f"the runner of {self.meta.name} is not running")
            try:
                async with asyncio.timeout(seconds):
                    answer = await self._exchange(operation, argument)
            except TimeoutError:
                raise await self._late(seconds) from None
            except (OSError, EOFError):
                raise await self._died() from None
            except asyncio.CancelledError:
                # Half an exchange leaves the stream useless.
                self._kill()
                raise
        if "error" in answer:
            raise self._fault(**answer["error"])
        return answer["ok"]

    async def _exchange(self, operation: str, argument: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._control, wire.pack([operation, argument]))
        (length,) = wire.LENGTH.unpack(await self._receive(wire.LENGTH.size))
        return wire.unpack(await self._receive(length))

    async def _receive(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < size:
            part = await loop.sock_recv(self._control, min(size - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    async def _late(self, seconds: float) -> RunnerError:
        """Ask where the run is, then kill it."""
        layer = -1
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_ASK_SECONDS):
                await loop.sock_sendall(self._watch, b"?")
                answer = await loop.sock_recv(self._watch, wire.LAYER.size)
                if len(answer) == wire.LAYER.size:
                    (layer,) = wire.LAYER.unpack(answer)
        self._kill()
        return self._fault("deadline", f"ran longer than {seconds * 1000:.0f} ms and was killed", layer)

    async def _died(self) -> RunnerError:
        self._kill()
        code = await self._process.wait()
        why = f"by signal {-code}" if code < 0 else f"with code {code}"
        if code == -signal.SIGSYS:
            why = "by a system call that the sandbox forbids"
        return RunnerError("killed", f"the runner of {self.meta.name} ended {why}")

    def _fault(self, code: str, text: str, layer: int | None) -> RunnerError:
        if layer is None or layer < 0 or code in ("input", "load"):
            return RunnerError(code, text if code == "input" else f"{code}: {text}")
        return RunnerError(code, f"{code} in {self.meta.describe_layer(layer)}: {text}", layer)


def _environment() -> dict[str, str]:
    """What Python needs to find itself; a single thread, so that the sandbox has no hole to close over."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT}
    return kept | {"OPENBLAS_NUM_THREADS": "1"}


def _tensor(meta: TensorMeta) -> list[object]:
    return [meta.name, meta.dtype, list(meta.shape), meta.scale, meta.zero_point or 0]
