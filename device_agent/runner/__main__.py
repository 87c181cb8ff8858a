"""The runner process: `python -m device_agent.runner CONTROL WATCH PARENT LIMIT`.

CONTROL and WATCH are inherited sockets (`device_agent.runner.wire`), PARENT the agent's process id,
LIMIT the bytes of private memory it may use. It opens no file and no connection.
"""

import signal
import socket
import sys
import threading
from typing import Any

from device_agent.runner.sandbox import die_with_parent, give_back_free_memory, limit_data


def main() -> None:
    """Answer requests until the agent closes the socket."""
    control, watch, parent, limit = (int(argument) for argument in sys.argv[1:5])
    die_with_parent(parent)
    limit_data(limit)
    # The agent decides when a runner ends; a Ctrl-C in a terminal reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=control) as requests, socket.socket(fileno=watch) as questions:
        Service(requests, questions).serve()


class Service:
    """One loaded module and the sockets it is reached by."""

    def __init__(self, requests: socket.socket, questions: socket.socket) -> None:
        self._requests = requests
        self._questions = questions
        self._engine: Any = None

    def serve(self) -> None:
        """Answer requests one after the other."""
        # Imported after the limits are in force.
        from device_agent.runner import wire  # noqa: PLC0415
        from device_agent.runner.engine import EngineError  # noqa: PLC0415

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
        from device_agent.runner import wire  # noqa: PLC0415
        from device_agent.runner.engine import Engine  # noqa: PLC0415
        from device_agent.runner.tensor import Tensor  # noqa: PLC0415

        if operation == wire.LOAD:
            tensors = {
                side: [Tensor(n, d, tuple(s), scale, zero) for n, d, s, scale, zero in argument[side]]
                for side in ("inputs", "outputs")
            }
            self._engine = Engine(
                argument["wasm"], argument["code"], tensors, argument["layers"], relaxed=argument["relaxed"]
            )
            return self._engine.take_compiled()
        if operation == wire.RUN:
            return self._engine.run(argument["inputs"], reset=argument["reset"])
        if operation == wire.GOLDEN:
            return self._engine.golden(argument["inputs"])
        if operation == wire.TRACE:
            return self._engine.trace(argument["inputs"])
        # Serving needs none of it.
        from device_agent.runner.profile import profile  # noqa: PLC0415

        return profile(self._engine, argument["meta"], argument["rounds"])

    def _watch(self) -> None:
        from device_agent.runner import wire  # noqa: PLC0415

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


if __name__ == "__main__":
    main()
