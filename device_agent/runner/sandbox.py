"""What a runner may use of the machine, and its death with the agent."""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the agent ends, and end if it has ended already.

    Args:
        parent: Process id of the agent.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
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
