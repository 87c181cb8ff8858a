"""Native code in a runner: what it would try is tried in a process that is closed off in the same way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.director import wait_until
from tests.support.fake_module import FakeModule

CLOSE = """
import ctypes, json, os, platform, resource, socket, sys, threading, mmap, time
sys.stdout.write("")
listener = socket.create_server(("127.0.0.1", 0))
from device_agent.runner.sandbox import close_off
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(name, *arguments):
    column = 0 if platform.machine() == "x86_64" else 1
    from device_agent.runner.sandbox import seccomp
    number = {**seccomp.FATAL, **seccomp.ALLOWED, **seccomp.CONDITIONAL}[name][column]
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result
from device_agent.runner.sandbox import seccomp
held = close_off()
try:
    exec(sys.argv[1])
    said = "done"
except OSError as error:
    said = f"refused {error.errno}"
except MemoryError:
    said = "no memory"
os.write(2, json.dumps({"said": said, "held": held}).encode())
"""


def tried(code):
    """How it ended: what it said, or the signal that ended it."""
    done = subprocess.run([sys.executable, "-c", CLOSE, code], capture_output=True, text=True, check=False)
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr)["said"]


def test_the_kernel_of_this_machine_has_both():
    done = subprocess.run([sys.executable, "-c", CLOSE, ""], capture_output=True, text=True, check=True)
    held = json.loads(done.stderr)["held"]
    assert held["seccomp"] == 1
    assert held["landlock"] >= 0


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        "open('/tmp/new', 'w')",
        "open('/proc/self/mem', 'r+b')",
        "open(f'/proc/{os.getppid()}/environ')",
        "os.listdir('/')",
        "os.stat('/etc')",
        "os.readlink('/proc/self/exe')",
        "os.unlink('/tmp/x')",
        "os.mkdir('/tmp/x')",
        "os.rename('/tmp/x', '/tmp/y')",
        "os.symlink('/etc/passwd', '/tmp/x')",
        "os.chdir('/')",
        "os.chmod('/tmp', 0o777)",
        "os.pipe()",
        "os.dup(2)",
        "os.eventfd(0)",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "os.sched_setaffinity(0, {0})",
        "libc.syscall(ctypes.c_long(444), None, 0, 1) < 0 and (_ for _ in ()).throw(OSError(1, 'landlock'))",
    ],
)
def test_files_and_limits_are_refused(code):
    assert tried(code) in {"refused 1", "refused 13"}


@pytest.mark.parametrize(
    "code",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "call('connect', 0, None, 0)",
        "listener.accept()",
        "os.execv('/bin/true', ['true'])",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(os.getppid(), 0)",
        "call('ptrace', 0, 0, 0, 0)",
        "call('process_vm_readv', os.getppid(), 0, 0, 0, 0, 0)",
        "call('memfd_create', ctypes.c_char_p(b'x'), 0)",
        "call('io_uring_setup', 1, None)",
        "call('bpf', 0, None, 0)",
        "call('userfaultfd', 0)",
        "call('unshare', 0x10000000)",
        "call('setuid', 0)",
        "call('tgkill', os.getppid(), os.getppid(), 0)",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    ],
)
def test_what_reaches_others_ends_the_process(code):
    assert tried(code) == "SIGSYS"


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(0.01)",
        "bytearray(1 << 20)",
        "t = threading.Thread(target=time.time); t.start(); t.join()",
        "os.urandom(16)",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)",
        "os.write(2, b'')",
        "os.getpid()",
    ],
)
def test_what_a_run_takes_is_left(code):
    assert tried(code) == "done"


def test_new_threads_are_closed_off_too():
    code = (
        "caught = []\n"
        "def work():\n"
        "    try: open('/etc/passwd')\n"
        "    except OSError as error: caught.append(error.errno)\n"
        "t = threading.Thread(target=work); t.start(); t.join()\n"
        "raise OSError(caught[0], '')"
    )
    assert tried(code) in {"refused 1", "refused 13"}


def test_a_runner_of_the_agent_is_closed_off(one_world):
    os.environ["OWN_VARIABLE_OF_THE_AGENT"] = "not for modules"
    try:
        one_world.agent.start()
    finally:
        del os.environ["OWN_VARIABLE_OF_THE_AGENT"]
    one = one_world.director.release(FakeModule(), 1)
    one_world.director.assign(one)
    one_world.director.wait_state(one, "confirmed")
    (pid,) = wait_until(one_world.agent.runner_pids, "there is a runner")
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert b"OWN_VARIABLE_OF_THE_AGENT" not in Path(f"/proc/{pid}/environ").read_bytes()
    kinds = [str(path.readlink()).partition(":")[0] for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert kinds.count("socket") == 2
    assert len(kinds) == 5, "the sockets, and 0, 1 and 2"
    shown = one_world.agent.get("/fleet/status")
    assert shown["models"]["crop-model"]["sandbox"]["seccomp"] == 1
