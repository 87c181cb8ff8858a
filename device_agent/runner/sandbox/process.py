"""Limits of a process, and its death with another."""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from device_agent.runner.sandbox import kernel

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the agent ends, and end if it has ended already.

    Args:
        parent: Process id of the agent.
    """
    kernel.control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the agent has ended")


def give_back_free_memory() -> None:
    """Return what the allocator keeps for later to the kernel, where it is one that can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def limit_data(limit: int) -> None:
    """Bound private writable memory (RLIMIT_DATA), bytes.

    RLIMIT_AS would count the 4 GiB of addresses that wasmtime reserves and never touches.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forbid_new_privileges() -> None:
    """No program that this process could start has more rights than it; seccomp and Landlock ask for it."""
    kernel.control(_PR_SET_NO_NEW_PRIVS, 1)


def forbid_writing() -> None:
    """No file may grow, and descriptors end with the highest that there is."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, highest + 1))
