"""systemd's units without systemd: what their filters of system calls allow, put on a process of a test.

systemd itself does not run in a test; its groups of calls and its score come from `systemd-analyze`.
"""

import re
import struct
import subprocess
from functools import cache
from pathlib import Path

import ziglang

from device_agent.runner.sandbox.kernel import machine

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
_HEADERS = Path(ziglang.__file__).parent / "lib" / "libc" / "include"
_ARCHITECTURES = ("x86-linux-any", "aarch64-linux-any")
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001

# Puts the filter on itself and becomes the program.
WRAPPER = """
import ctypes, os, struct, sys
from device_agent.runner.sandbox import kernel
code = bytes.fromhex(sys.argv[1])
kept = ctypes.create_string_buffer(code, len(code))
header = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(kept))
kernel.control(38, 1)
kernel.call((317, 277)[kernel.machine().column], ctypes.c_uint(1), ctypes.c_uint(0), ctypes.c_char_p(header))
os.execv(sys.argv[2], sys.argv[2:])
"""


def settings(unit: str, name: str) -> list[str]:
    """All values of a setting, in order."""
    return re.findall(rf"^{name}=(.*)$", (FOLDER / unit).read_text(), re.MULTILINE)


def score(unit: str) -> float:
    """What `systemd-analyze security` makes of it: 0 is closed, 10 open."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(FOLDER / unit)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


@cache
def group(name: str) -> frozenset[str]:
    """The calls of one of systemd's groups."""
    if not name.startswith("@"):
        return frozenset({name})
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    words = [line.strip() for line in done.stdout.splitlines() if line.startswith(" ")]
    return frozenset().union(*(group(word) for word in words if not word.startswith("#")))


def allowed(unit: str) -> set[str]:
    """The calls that a unit leaves, as systemd.exec(5) adds them up."""
    calls = set(group("@default"))
    for line in settings(unit, "SystemCallFilter"):
        removes = line.startswith("~")
        for word in line.removeprefix("~").split():
            calls = calls - group(word) if removes else calls | group(word)
    return calls


def filter_of(unit: str) -> str:
    """The same as a program for seccomp, hexadecimal."""
    here = machine()
    assert here is not None
    text = (_HEADERS / _ARCHITECTURES[here.column] / "asm" / "unistd_64.h").read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text)}
    steps = [struct.pack("<HBBI", 0x20, 0, 0, 0)]
    for number in sorted(numbers[name] for name in allowed(unit) & numbers.keys()):
        steps += [struct.pack("<HBBI", 0x15, 0, 1, number), struct.pack("<HBBI", 0x06, 0, 0, _ALLOW)]
    if "yes" in settings(unit, "MemoryDenyWriteExecute"):
        steps[1:1] = [*_no_new_code(numbers["mmap"], 0b110), *_no_new_code(numbers["mprotect"], 0b100)]
    steps.append(struct.pack("<HBBI", 0x06, 0, 0, _EPERM))
    return b"".join(steps).hex()


def _no_new_code(number: int, protection: int) -> list[bytes]:
    """MemoryDenyWriteExecute: no memory is writable and executable, and none becomes executable."""
    return [
        struct.pack("<HBBI", 0x15, 0, 5, number),
        struct.pack("<HBBI", 0x20, 0, 0, 16 + 8 * 2),
        struct.pack("<HBBI", 0x54, 0, 0, protection),
        struct.pack("<HBBI", 0x15, 0, 1, protection),
        struct.pack("<HBBI", 0x06, 0, 0, _EPERM),
        struct.pack("<HBBI", 0x20, 0, 0, 0),
    ]
