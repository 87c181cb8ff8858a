"""seccomp (seccomp(2), linux/filter.h): only the system calls that running a module takes.

The filter is classic BPF: it sees the number and the arguments of a call, never what they point to. Calls
that are not listed fail with EPERM, so that an error can still be told; those that no module's host has any
business with end the process.
"""

import ctypes
import os
import struct

from device_agent.runner.sandbox import kernel

_SECCOMP = (317, 277)
_SET_MODE_FILTER, _TSYNC = 1, 1

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38

# struct seccomp_data: number, architecture, and low halves of the arguments on little-endian machines.
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_X32 = 0x40000000

Calls = dict[str, tuple[int | None, int | None]]

ALLOWED: Calls = {
    # The sockets to the agent; standard error.
    "recvfrom": (45, 207), "sendto": (44, 206), "recvmsg": (47, 212), "sendmsg": (46, 211),
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "shutdown": (48, 210),
    # Memory.
    "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    "membarrier": (324, 283),
    # Threads, of the watch and of the compiler.
    "futex": (202, 98), "futex_waitv": (449, 449), "set_robust_list": (273, 99), "rseq": (334, 293),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "gettid": (186, 178), "getpid": (39, 172),
    # Signals: traps are caught as SIGSEGV and SIGILL.
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    # Time, chance, what the machine is.
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "getrandom": (318, 278), "uname": (63, 160),
    "sysinfo": (99, 179), "getrusage": (98, 165),
    "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip

FATAL: Calls = {
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kill": (62, 129), "tkill": (200, 130), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "memfd_create": (319, 279), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "bpf": (321, 280), "perf_event_open": (298, 241), "keyctl": (250, 219),
    "mount": (165, 40), "unshare": (272, 97), "setns": (308, 268), "init_module": (175, 105),
    "finit_module": (313, 273), "personality": (135, 92), "setuid": (105, 146), "setgid": (106, 144),
}  # fmt: skip

CONDITIONAL: Calls = {
    "clone": (56, 220), "clone3": (435, 435), "mmap": (9, 222), "mprotect": (10, 226), "prctl": (157, 167),
    "tgkill": (234, 131),
}  # fmt: skip
"""Allowed for some arguments."""

_THREAD_FLAGS = 0x00010000 | 0x00000100
"""CLONE_THREAD and CLONE_VM."""
_WRITE_AND_EXECUTE = 0b110
_MAP_ANONYMOUS = 0x20
_PR_SET_NAME, _PR_SET_VMA = 15, 0x53564D41


def program(machine: kernel.Machine, pid: int) -> bytes:
    """The filter, as struct sock_filter[].

    Args:
        machine: What it is for.
        pid: Of the process, which may signal itself: that is how abort(3) ends it.
    """
    column = machine.column
    code = [
        _step(_LOAD, _ARCHITECTURE), _step(_EQUAL, machine.audit, 1, 0), _give(_KILL),
        _step(_LOAD, _NUMBER), _step(_AT_LEAST, _X32, 0, 1), _give(_KILL),
    ]  # fmt: skip
    for numbers in ALLOWED.values():
        code += _answer(numbers[column], _give(_ALLOW))
    for numbers in FATAL.values():
        code += _answer(numbers[column], _give(_KILL))
    # Its flags are behind a pointer. Without it the C library starts threads by clone.
    code += _answer(CONDITIONAL["clone3"][column], _give(_ERRNO | _ENOSYS))
    threads = [*_masked(0, _THREAD_FLAGS), _step(_EQUAL, _THREAD_FLAGS, 0, 1), _give(_ALLOW), _give(_KILL)]
    code += _answer(CONDITIONAL["clone"][column], *threads)
    # Nothing is writable and executable at once, and nothing is mapped that is a file.
    exclusive = [*_masked(2, _WRITE_AND_EXECUTE), _step(_EQUAL, _WRITE_AND_EXECUTE, 0, 1), _give(_KILL)]
    code += _answer(CONDITIONAL["mprotect"][column], *exclusive, _give(_ALLOW))
    anonymous = [*_masked(3, _MAP_ANONYMOUS), _step(_EQUAL, _MAP_ANONYMOUS, 1, 0), _give(_ERRNO | _EPERM)]
    code += _answer(CONDITIONAL["mmap"][column], *exclusive, *anonymous, _give(_ALLOW))
    names = [_load_argument(0), _step(_EQUAL, _PR_SET_NAME, 1, 0), _step(_EQUAL, _PR_SET_VMA, 0, 1)]
    code += _answer(CONDITIONAL["prctl"][column], *names, _give(_ALLOW), _give(_ERRNO | _EPERM))
    itself = [_load_argument(0), _step(_EQUAL, pid, 0, 1), _give(_ALLOW), _give(_KILL)]
    code += _answer(CONDITIONAL["tgkill"][column], *itself)
    return b"".join([*code, _give(_ERRNO | _EPERM)])


def restrict(platform: str) -> bool:
    """Put the filter on every thread of this process, for good.

    Returns:
        False where the kernel has no seccomp, or the numbers of its system calls are not known here.
    """
    machine = kernel.machine()
    if machine is None or platform != "linux":
        return False
    code = program(machine, os.getpid())
    kept = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(kept))
    number = _SECCOMP[machine.column]
    try:
        kernel.call(number, ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_TSYNC), ctypes.c_char_p(header))
    except OSError as error:
        if kernel.is_missing(error):
            return False
        raise
    return True


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _give(verdict: int) -> bytes:
    return _step(_RETURN, verdict)


def _load_argument(index: int) -> bytes:
    return _step(_LOAD, _ARGUMENT + 8 * index)


def _masked(argument: int, mask: int) -> list[bytes]:
    return [_load_argument(argument), _step(_AND, mask)]


def _answer(number: int | None, *steps: bytes) -> list[bytes]:
    """What follows if the call has this number; it must end in a verdict, as it leaves no number behind."""
    if number is None:
        return []
    return [_step(_EQUAL, number, 0, len(steps)), *steps]
