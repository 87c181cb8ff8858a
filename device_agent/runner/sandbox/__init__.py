"""What a runner may use of the machine: CPU, its memory, and the two sockets to the agent; nothing else.

A module is data that others made, and its compiled form is machine code. wasmtime keeps it in its memory
and lets it call nothing; if that ever fails, the process that it is in can do nothing either:

- no new privileges, ever (`prctl`), and death with the agent;
- no file and no TCP connection (Landlock, Linux 5.13 and later, as far as the kernel's version goes);
- only the system calls that running a module takes (seccomp); those that would reach other processes, the
  network or other programs end the process;
- so much private memory, no files to write, no core dumps (`setrlimit`);
- no environment but what Python needs, no descriptor but the sockets and standard error (`supervisor`).

Everything is in force before the runner reads its first request. `close_off` is called once, after all
imports, while the process has one thread: Landlock holds for the thread that asks for it.
"""

import sys

from device_agent.runner.sandbox import landlock, seccomp
from device_agent.runner.sandbox.process import (
    die_with_parent,
    forbid_new_privileges,
    forbid_writing,
    give_back_free_memory,
    limit_data,
)

__all__ = ["close_off", "die_with_parent", "give_back_free_memory", "limit_data"]


def close_off() -> dict[str, int]:
    """Give everything up that running a module does not take.

    Returns:
        What is in force: `landlock` and its version, 0 where the kernel has none; `seccomp` 1 or 0.
    """
    forbid_writing()
    forbid_new_privileges()
    # Landlock first: the filter forbids its system calls, too.
    return {"landlock": landlock.restrict(), "seccomp": int(seccomp.restrict(sys.platform))}
