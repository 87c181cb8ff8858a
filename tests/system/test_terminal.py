"""What a person sees at a terminal: a pseudo-terminal, and keys under a passphrase."""

import os
import pty
import select
import time

import pytest

from scripts.demonstration.fleet import BIN, Fleet
from tests.system.test_first_light import CROP

WORDS = "correct horse battery staple"


@pytest.fixture
def fleet(tmp_path):
    fleet = Fleet(tmp_path)
    try:
        fleet.up()
        fleet.join(1, "farm-a")
        secret = tmp_path / "secret"
        secret.write_text(WORDS + "\n")
        secret.chmod(0o600)
        fleet.fleet("keys", "protect", "--new-passphrase-file", secret, quiet=True)
        yield fleet
    finally:
        fleet.down()


class Terminal:
    """A command at a terminal of its own, and what it wrote there."""

    def __init__(self, env, *words):
        self.seen = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            command = [str(word) for word in words]
            os.execve(command[0], command, {**env, "TERM": "xterm-256color"})  # noqa: S606 - no shell

    def read(self, seconds):
        """What comes next; nothing at the end, or when there is silence for so long."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return b""
        self.seen += data
        return data

    def until(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert self.read(max(0, end - time.monotonic())), self.seen[-2000:]

    def write(self, line):
        os.write(self._fd, line.encode() + b"\n")

    def end(self):
        """Its exit code."""
        while self.read(60):
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_push_asks_for_the_passphrase_and_waits_for_it(fleet):
    words = ["push", "crop-model", "--project", CROP, "--group", "farm-a", "--observe", "2,1s"]
    screen = Terminal(fleet.env, BIN / "fleet", *words)
    screen.until(b"passphrase of release-")
    screen.until(b": ")
    while screen.read(0.5):
        assert len(screen.seen) < 20_000, "something goes on drawing over the question"
    assert screen.seen.rstrip().endswith(b":"), screen.seen[-200:]
    screen.write(WORDS)
    assert screen.end() == 0, screen.seen[-2000:]
    assert WORDS.encode() not in screen.seen
    assert b"1 of 1 device" in screen.seen
