"""Landlock (linux/landlock.h): a process gives up rights to files and ports for good, without being root."""

import ctypes
import os

from device_agent.runner.sandbox import kernel

# The same numbers on every architecture.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_CREATE_RULESET_VERSION = 1

_FILES = {1: 13, 2: 14, 3: 15, 5: 16}
"""By the version that brought them: how many LANDLOCK_ACCESS_FS_* there are, from the lowest bit on."""
_TCP = 0b11
"""LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP, from version 4 on."""
_SCOPES = 0b11
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL, from version 6 on."""


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


def handled(version: int) -> tuple[int, int, int]:
    """All rights that a version knows: to files, to TCP ports, and across the border of the sandbox."""
    files = max(count for since, count in _FILES.items() if since <= version)
    return (1 << files) - 1, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0


def restrict() -> int:
    """Give up all rights of this thread, and of those that it starts, that the kernel's version knows.

    Returns:
        That version; 0 where the kernel has no Landlock, or not switched on.
    """
    try:
        version = kernel.call(
            _CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION)
        )
    except OSError as error:
        if kernel.is_missing(error):
            return 0
        raise
    # No rule is added to the set: nothing of what it handles is allowed.
    rules = _Ruleset(*handled(version))
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    descriptor = kernel.call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    kernel.call(_RESTRICT_SELF, ctypes.c_int(descriptor), ctypes.c_uint32(0))
    os.close(descriptor)
    return version
