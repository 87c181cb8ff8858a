"""The runner's end of its sockets: requests about one module, answered one after the other."""

import socket
import sys
import threading
from typing import Any

from device_agent.runner import wire
from device_agent.runner.engine import Engine, EngineError
from device_agent.runner.sandbox import give_back_free_memory
from device_agent.runner.tensor import Tensor


class Service:
    """One loaded module and the sockets it is reached by.

    Args:
        requests: On which it is asked to do something.
        questions: On which it is asked where a run is.
        sandbox: What of the sandbox is in force; told when a module has been loaded.
    """

    def __init__(self, requests: socket.socket, questions: socket.socket, sandbox: dict[str, int]) -> None:
        self._requests = requests
        self._questions = questions
        self._sandbox = sandbox
        self._engine: Any = None

    def serve(self) -> None:
        """Answer until the agent closes the socket."""
        threading.Thread(target=self._watch, daemon=True).start()
        while (head := self._receive(wire.LENGTH.size)) is not None:
            body = self._receive(wire.LENGTH.unpack(head)[0])
            if body is None:
                return
            operation, argument = wire.unpack(body)
            try:
                answer: dict[str, Any] = {"ok": self._answer(operation, argument)}
            except EngineError as error:
                answer = {"error": {"code": error.code, "text": error.text, "layer": error.layer}}
            except MemoryError:
                answer = {"error": {"code": "memory", "text": "out of memory", "layer": None}}
            self._requests.sendall(wire.pack(answer))
            loaded = operation == wire.LOAD
            del body, argument, answer
            if loaded:
                # What compiling took is free but still resident.
                give_back_free_memory()

    def _answer(self, operation: str, argument: dict[str, Any]) -> Any:
        if operation == wire.LOAD:
            tensors = {
                side: [Tensor(n, d, tuple(s), scale, zero) for n, d, s, scale, zero in argument[side]]
                for side in ("inputs", "outputs")
            }
            self._engine = Engine(
                argument["wasm"], argument["code"], tensors, argument["layers"], relaxed=argument["relaxed"]
            )
            return {"code": self._engine.take_compiled(), "sandbox": self._sandbox}
        if operation == wire.RUN:
            return self._engine.run(argument["inputs"], reset=argument["reset"])
        if operation == wire.GOLDEN:
            return self._engine.golden(argument["inputs"])
        if operation == wire.TRACE:
            return self._engine.trace(argument["inputs"])
        # Imported before the sandbox was closed, if this process is for it.
        return sys.modules["device_agent.runner.profile"].profile(
            self._engine, argument["meta"], argument["rounds"]
        )

    def _watch(self) -> None:
        while self._questions.recv(1):
            layer = self._engine.running_layer() if self._engine is not None else -1
            self._questions.sendall(wire.LAYER.pack(layer))

    def _receive(self, size: int) -> bytes | None:
        """Exactly `size` bytes; None at the end of the stream."""
        data = bytearray()
        while len(data) < size:
            part = self._requests.recv(min(size - len(data), 1 << 20))
            if not part:
                return None
            data += part
        return bytes(data)
