"""System calls that Python has no function for."""

import ctypes
import errno
import os
import platform
from dataclasses import dataclass

_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Machine:
    """Of a kind of processor.

    Attributes:
        audit: AUDIT_ARCH_* of linux/audit.h.
        column: Of the table of system calls in `seccomp`.
    """

    audit: int
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}


def machine() -> Machine | None:
    """This one; None where the numbers of its system calls are not known here."""
    return MACHINES.get(platform.machine())


def call(number: int, *arguments: object) -> int:
    """A system call.

    Raises:
        OSError: it failed.
    """
    result: int = _LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def control(option: int, *arguments: int) -> None:
    """prctl(2).

    Raises:
        OSError: it failed.
    """
    filled = [*arguments, 0, 0, 0, 0][:4]
    if _LIBC.prctl(ctypes.c_int(option), *(ctypes.c_ulong(argument) for argument in filled)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def is_missing(error: OSError) -> bool:
    """Whether the kernel says that it has no such thing, not switched on, or not in this container."""
    return error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
