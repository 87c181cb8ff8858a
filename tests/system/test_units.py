"""The systemd units are strict, and the programs work under the system calls that they leave."""

import subprocess
import sys

import pytest

from scripts.demonstration.fleet import BIN, Fleet, wait_until
from tests.support import units
from tests.system.test_first_light import CROP, answers, push

UNITS = ("fleet-agent.service", "fleet-controller.service")


@pytest.mark.parametrize("unit", UNITS)
def test_the_score_is_what_the_page_says(unit):
    found = units.score(unit)
    assert found <= 1.3
    page = (units.FOLDER.parents[1] / "docs" / "security.md").read_text()
    assert f"| `{unit}` | {found} |" in page


@pytest.mark.parametrize("unit", UNITS)
def test_what_nobody_needs_is_gone(unit):
    calls = units.allowed(unit)
    assert not calls & {
        "ptrace",
        "mount",
        "reboot",
        "bpf",
        "kexec_load",
        "init_module",
        "setuid",
        "chown",
        "swapon",
    }
    assert {"read", "socket", "execve", "futex"} <= calls


def under(unit, command):
    """The command, with the unit's filter on it."""
    return [sys.executable, "-c", units.WRAPPER, units.filter_of(unit), *command]


def test_a_filter_holds():
    command = under("fleet-agent.service", [sys.executable, "-c", "import os; os.chroot('/')"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr


def test_controller_and_agent_work_under_their_filters(tmp_path, monkeypatch):
    fleet = Fleet(tmp_path)
    command = fleet.server_command()
    monkeypatch.setattr(fleet, "server_command", lambda: under("fleet-controller.service", command))
    try:
        fleet.up()
        fleet.join(1, "farm-a")
        (agent,) = fleet.agents
        agent.stop()
        own = [
            str(BIN / "fleet-agent"),
            "run",
            "--data",
            str(agent.data),
            "--http",
            f"127.0.0.1:{agent.port}",
        ]
        with (tmp_path / "agent.log").open("wb") as log:
            process = subprocess.Popen(
                under("fleet-agent.service", own), env=fleet.env, stdout=log, stderr=log
            )
        try:
            wait_until(lambda: fleet.json("status")["online"] == 1, "the agent is online")
            done = push(fleet, "--project", CROP)
            assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "agent.log").read_text()
            version, right = answers(agent)
            assert version == "1.0.0"
            assert right >= 16
            fleet.json("profile", "crop-model", "--device", "dev-1", "--repeat", "5")
        finally:
            process.terminate()
            process.wait()
    finally:
        fleet.down()
