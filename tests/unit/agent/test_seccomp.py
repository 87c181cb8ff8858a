"""The filter, run by an interpreter of its own: what each system call gets, on both kinds of machine."""

import re
import struct
from pathlib import Path

import pytest
import ziglang

from device_agent.runner.sandbox import seccomp
from device_agent.runner.sandbox.kernel import MACHINES
from device_agent.runner.sandbox.landlock import handled

HEADERS = Path(ziglang.__file__).parent / "lib" / "libc" / "include"
UNISTD = {"x86_64": "x86-linux-any", "aarch64": "aarch64-linux-any"}
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
PID = 4242
THREAD = 0x3D0F00
"""Flags with which the C library starts a thread."""


def verdict(name, number, *arguments, audit=None):
    """What the filter of a machine says of a call."""
    machine = MACHINES[name]
    code = list(struct.iter_unpack("<HBBI", seccomp.program(machine, PID)))
    filled = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<iIQ6Q", number, machine.audit if audit is None else audit, 0, *filled)
    at, value = 0, 0
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", data, k)
        elif operation == 0x54:
            value &= k
        elif operation in (0x15, 0x35):
            at += if_true if (value == k if operation == 0x15 else value >= k) else if_false
        else:
            assert operation == 0x06
            return k


def numbers(name):
    text = (HEADERS / UNISTD[name] / "asm" / "unistd_64.h").read_text()
    return {call: int(number) for call, number in re.findall(r"#define __NR_(\w+) (\d+)", text)}


@pytest.fixture(params=MACHINES)
def machine(request):
    return request.param


def test_the_numbers_are_linuxs(machine):
    known, column = numbers(machine), MACHINES[machine].column
    for table in (seccomp.ALLOWED, seccomp.FATAL, seccomp.CONDITIONAL):
        for call, pair in table.items():
            assert known.get(call) == pair[column], call


def test_every_call_gets_what_its_list_says(machine):
    listed = {**dict.fromkeys(seccomp.ALLOWED, ALLOW), **dict.fromkeys(seccomp.FATAL, KILL)}
    for call, number in numbers(machine).items():
        if call not in seccomp.CONDITIONAL:
            assert verdict(machine, number) == listed.get(call, EPERM), call
    assert verdict(machine, 5000) == EPERM


def test_another_architecture_is_the_end(machine):
    for audit in (0, 0x40000003, *(m.audit for name, m in MACHINES.items() if name != machine)):
        assert verdict(machine, numbers(machine)["read"], audit=audit) == KILL
    assert verdict(machine, 0x40000000) == KILL


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("clone", (THREAD,), ALLOW),
        ("clone", (17,), KILL),
        ("clone", (0x100 | 17,), KILL),
        ("clone3", (1, 88), ENOSYS),
        ("mprotect", (0, 4096, 0b101), ALLOW),
        ("mprotect", (0, 4096, 0b011), ALLOW),
        ("mprotect", (0, 4096, 0b111), KILL),
        ("mmap", (0, 4096, 0b011, 0x22), ALLOW),
        ("mmap", (0, 4096, 0b111, 0x22), KILL),
        ("mmap", (0, 4096, 0b001, 0x02, 3), EPERM),
        ("prctl", (15, 1), ALLOW),
        ("prctl", (0x53564D41, 0), ALLOW),
        ("prctl", (4, 1), EPERM),
        ("tgkill", (PID, PID + 1, 6), ALLOW),
        ("tgkill", (1, 1, 9), KILL),
    ],
)
def test_arguments(machine, call, arguments, expected):
    assert verdict(machine, numbers(machine)[call], *arguments) == expected


def test_no_call_is_on_two_lists():
    lists = [set(table) for table in (seccomp.ALLOWED, seccomp.FATAL, seccomp.CONDITIONAL)]
    assert len(set().union(*lists)) == sum(map(len, lists))


@pytest.mark.parametrize(
    ("version", "files", "net", "scoped"), [(1, 13, 0, 0), (2, 14, 0, 0), (3, 15, 0, 0), (4, 15, 3, 0),
                                            (5, 16, 3, 0), (6, 16, 3, 3), (9, 16, 3, 3)],
)  # fmt: skip
def test_landlock_gives_up_what_a_version_knows(version, files, net, scoped):
    assert handled(version) == ((1 << files) - 1, net, scoped)
