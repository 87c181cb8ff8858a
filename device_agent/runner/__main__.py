"""The runner process: `python -m device_agent.runner CONTROL WATCH PARENT LIMIT PURPOSE`.

CONTROL and WATCH are inherited sockets (`device_agent.runner.wire`), PARENT the agent's process id,
LIMIT the bytes of private memory it may use, PURPOSE `serve` or `profile`. Before it reads anything from the
sockets it gives up whatever running a module does not take (`device_agent.runner.sandbox`).
"""

import importlib
import signal
import socket
import sys

from device_agent.runner.sandbox import close_off, die_with_parent, limit_data


def main() -> None:
    """Answer requests until the agent closes the socket."""
    control, watch, parent, limit = (int(argument) for argument in sys.argv[1:5])
    die_with_parent(parent)
    limit_data(limit)
    # The agent decides when a runner ends; a Ctrl-C in a terminal reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Imported under the limits, and before files are out of reach. Serving needs no profiler.
    from device_agent.runner.service import Service  # noqa: PLC0415

    if sys.argv[5] == "profile":
        importlib.import_module("device_agent.runner.profile")
    with socket.socket(fileno=control) as requests, socket.socket(fileno=watch) as questions:
        Service(requests, questions, close_off()).serve()


if __name__ == "__main__":
    main()
