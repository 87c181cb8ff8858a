"""Commands against a controller made of answers: what they ask, print, and exit with."""

import importlib.metadata
import inspect
import os
import subprocess
import sys

import httpx
import pytest

from controller.cli import follow
from controller.cli.app import COMMANDS, load
from protocol import api
from protocol.enrolment import Invitation
from tests.unit.desk import samples
from tests.unit.desk.conftest import Terminal

V1 = "/api/v1"


def all_commands():
    for name in COMMANDS:
        command = load(name)
        if hasattr(command, "commands"):
            yield from ((f"{name} {sub}", child) for sub, child in command.commands.items())
        else:
            yield name, command


@pytest.mark.parametrize(("name", "command"), list(all_commands()), ids=lambda value: str(value)[:40])
def test_help_opens_with_a_sentence_and_an_example(fleet, name, command):
    lines = fleet(*name.split(), "--help").out.splitlines()
    assert lines[0].endswith(".")
    assert lines[1] == ""
    assert lines[2].startswith(f"    fleet {name}")
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == inspect.cleandoc(command.help).splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_own_help_says(name):
    own = inspect.cleandoc(load(name).help).splitlines()[0]
    assert own.startswith(COMMANDS[name].summary[:-1]) or COMMANDS[name].summary.startswith(own[:-1])


def test_starting_is_quick_because_little_is_imported():
    code = (
        "import sys; from controller.cli.app import run; run(['--help']); "
        "print([m for m in ('httpx', 'numpy', 'onnx', 'textual', 'wasmtime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_status_imports_no_compiler_and_no_dashboard():
    code = (
        "import sys; from controller.cli.app import run; run(['status']); "
        "print([m for m in ('numpy', 'onnx', 'textual', 'wasmtime') if m in sys.modules])"
    )
    env = os.environ | {"FLEET_CONTROLLER": "http://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stderr.startswith("error: no controller at http://127.0.0.1:1 (connection refused)")


def test_version(fleet):
    assert fleet("--version").out == f"fleet {importlib.metadata.version('modelfleet')}\n"


def test_wrong_usage_exits_2(fleet):
    for words in (["fly"], ["push"], ["push", "m"], ["rollout", "show", "x"], ["status", "--frob"]):
        assert fleet(*words).code == 2


class TestErrors:
    def test_form_and_exit_code(self, fleet, controller):
        controller.problem(
            "GET", f"{V1}/devices/dev-9/why", 404, title="no device dev-9", detail="12 devices", exit_code=3,
            remedy="fleet devices",
        )  # fmt: skip
        done = fleet("why", "dev-9")
        assert done.code == 3
        assert done.out == ""
        assert done.err == "error: no device dev-9\n  in      12 devices\n  try     fleet devices\n"

    def test_a_refusal_says_refused(self, fleet, controller):
        controller.problem("GET", f"{V1}/status", 403, title="not yours", exit_code=5)
        done = fleet("status")
        assert (done.code, done.err) == (5, "refused: not yours\n")

    def test_no_trace_unless_asked_for(self, fleet, controller):
        controller.on("GET", f"{V1}/status", lambda _: httpx.ConnectError("refused"))
        assert "Traceback" not in fleet("status").err
        shown = fleet("status", "--debug")
        assert shown.code == 4
        assert "Traceback" in shown.err

    def test_a_bug_is_called_one(self, fleet, controller, monkeypatch):
        monkeypatch.setattr("controller.cli.status.page", lambda *_: 1 // 0)
        controller.on("GET", f"{V1}/status", samples.status())
        done = fleet("status")
        assert done.code == 1
        assert "fleet itself failed: ZeroDivisionError" in done.err
        assert "Traceback" not in done.err


class TestJson:
    def test_each_command_prints_one_document(self, fleet, controller):
        controller.on("GET", f"{V1}/status", samples.status())
        controller.on("GET", f"{V1}/devices", api.DevicePage(items=[samples.device()]))
        controller.on("GET", f"{V1}/devices/dev-0207", samples.device())
        controller.on("PUT", f"{V1}/devices/dev-0207/labels", samples.device())
        controller.on("GET", f"{V1}/devices/dev-0207/why", samples.why())
        controller.on("DELETE", f"{V1}/devices/dev-0207", b"", 204)
        controller.on("GET", f"{V1}/groups", [samples.group()])
        controller.on("GET", f"{V1}/groups/farm-a", samples.group())
        controller.on("PATCH", f"{V1}/groups/farm-a", samples.group())
        controller.on("DELETE", f"{V1}/groups/farm-a", b"", 204)
        controller.on("GET", f"{V1}/releases", api.ReleasePage(items=[samples.release()]))
        controller.on("GET", f"{V1}/releases/crop-model/1.3.0", samples.release())
        controller.on("POST", f"{V1}/releases/crop-model/1.3.0/withdraw", samples.release(withdrawn=True))
        controller.on("GET", f"{V1}/rollouts", api.RolloutPage(items=[samples.rollout()]))
        controller.on("GET", f"{V1}/rollouts/57", samples.finished())
        for action in ("pause", "resume", "stop", "back"):
            controller.on("POST", f"{V1}/rollouts/57/{action}", samples.rollout())
        controller.on("POST", f"{V1}/rollbacks", api.Started(rollout=57, plan=samples.plan()), 201)
        controller.on("POST", f"{V1}/removals", api.Started(rollout=57, plan=samples.plan()), 201)
        expected = {
            "status": samples.status(), "devices": [samples.device()], "devices dev-0207": samples.device(),
            "label dev-0207 site=north": samples.device(), "why dev-0207": samples.why(),
            "unenroll dev-0207": {"device": "dev-0207", "enrolled": False},
            "group list": [samples.group()], "group add farm-a dev-1": samples.group(),
            "group remove farm-a dev-1": samples.group(),
            "group remove farm-a --whole": {"group": "farm-a", "removed": True},
            "release list": [samples.release()], "release show crop-model 1.3.0": samples.release(),
            "release withdraw crop-model 1.3.0": samples.release(withdrawn=True),
            "rollout list": [samples.rollout()], "rollout show 57": samples.finished(),
            "rollout pause 57": samples.rollout(), "rollout resume 57": samples.rollout(),
            "rollout stop 57": samples.rollout(), "rollout back 57": samples.rollout(),
            "rollback crop-model --group farm-a": samples.finished(),
            "rollback crop-model --group farm-a --detach": api.Started(rollout=57, plan=samples.plan()),
            "remove crop-model --group farm-a": samples.finished(),
        }  # fmt: skip
        for words, value in expected.items():
            done = fleet(*words.split(), "--json")
            assert done.code == 0, done.err
            items = value if isinstance(value, list) else [value]
            plain = [i if isinstance(i, dict) else i.model_dump(mode="json") for i in items]
            assert done.json == (plain if isinstance(value, list) else plain[0]), words
            assert fleet(*words.split()).code == 0


class TestDevices:
    @pytest.fixture
    def invited(self, controller):
        invitation = Invitation(
            device="dev-1",
            device_class="linux",
            controller="http://c",
            broker="mqtt://b",
            token="one-time",  # noqa: S106 - of a device that does not exist
            root=b"r",
        ).encode()
        controller.on(
            "POST", f"{V1}/devices", api.Enrolment(device="dev-1", invitation=invitation.hex()), 201
        )
        return invitation

    def test_enroll_writes_a_private_invitation(self, fleet, controller, invited, tmp_path):
        out = tmp_path / "x.invite"
        done = fleet("enroll", "dev-1", "--label", "site=north", "--label", "kind=gate", "--out", out)
        assert done.code == 0
        assert "fleet-agent claim x.invite" in done.out
        assert out.read_bytes() == invited
        assert out.stat().st_mode & 0o777 == 0o600
        assert controller.sent("POST", f"{V1}/devices") == [
            {"name": "dev-1", "device_class": "linux", "labels": {"site": "north", "kind": "gate"}}
        ]

    @pytest.mark.usefixtures("invited")
    def test_enroll_asks_nobody_when_it_could_not_write(self, fleet, controller, tmp_path):
        (tmp_path / "there").write_text("")
        for out in (tmp_path / "there", tmp_path / "no/such/folder"):
            assert fleet("enroll", "dev-1", "--out", out).code == 3
        assert fleet("enroll", "Dev 1").code == 3
        assert controller.requests == []

    def test_label_keeps_the_other_labels(self, fleet, controller):
        controller.on("GET", f"{V1}/devices/dev-0207", samples.device())
        controller.on("PUT", f"{V1}/devices/dev-0207/labels", samples.device())
        assert fleet("label", "dev-0207", "site=south", "kind-").code == 0
        assert controller.sent("PUT", f"{V1}/devices/dev-0207/labels") == [{"labels": {"site": "south"}}]

    def test_removing_nothing_from_a_group_is_refused(self, fleet, controller):
        assert fleet("group", "remove", "farm-a").code == 3
        assert controller.requests == []


class TestFollowing:
    def serve(self, controller, *rollouts):
        left = list(rollouts)

        def answer(request):
            return left.pop(0) if len(left) > 1 else left[0]

        controller.on("GET", f"{V1}/rollouts/57", answer)

    def test_plain_lines_when_something_changes_and_the_answer_last(self, fleet, controller):
        running = samples.rollout(revision=1, sent=1)
        self.serve(
            controller, running, running.model_copy(update={"revision": 2}), samples.finished(revision=3)
        )
        done = fleet("rollout", "show", "57", "--follow")
        assert done.code == 0
        assert done.out.startswith("done: 2 of 2 devices run crop-model 1.3.0")
        lines = done.err.splitlines()
        assert lines[0] == "wave 1 canary  4/4  4 confirmed"
        assert len(lines) == len(set(lines)) == 4
        assert "\x1b" not in done.out + done.err

    def test_json_lines(self, fleet, controller):
        self.serve(controller, samples.rollout(revision=1), samples.finished(revision=2))
        done = fleet("rollout", "show", "57", "--follow", "--json")
        revisions = [api.Rollout.model_validate_json(line).revision for line in done.out.splitlines()]
        assert revisions == [1, 2]
        assert done.err == ""

    @pytest.mark.parametrize(
        ("state", "outcome", "code"),
        [
            ("failed", "1 of 2 devices failed", 1),
            ("failed", 'stopped by gate "failures": 1 of 2', 5),
            ("stopped", "stopped by ops", 1),
            ("superseded", "superseded by rollout 58", 1),
        ],
    )
    def test_exit_codes(self, fleet, controller, state, outcome, code):
        self.serve(controller, samples.rollout(state, outcome=outcome))
        done = fleet("rollout", "show", "57", "--follow")
        assert done.code == code
        assert outcome in done.out

    def test_time_runs_out_and_the_work_goes_on(self, fleet, controller):
        self.serve(controller, samples.rollout())
        controller.on("POST", f"{V1}/rollbacks", api.Started(rollout=57, plan=samples.plan()), 201)
        done = fleet("rollback", "crop-model", "--group", "farm-a", "--timeout", "0s")
        assert done.code == 6
        assert "goes on" in done.err

    def test_ctrl_c_detaches(self, fleet, controller):
        def interrupt(_):
            raise KeyboardInterrupt

        controller.on("GET", f"{V1}/rollouts/57", interrupt)
        done = fleet("rollout", "show", "57", "--follow")
        assert done.code == 130
        assert "detached; rollout 57 goes on" in done.err

    def test_a_controller_that_restarts_is_waited_for(self, fleet, controller, monkeypatch):
        monkeypatch.setattr(follow.time, "sleep", lambda _: None)
        away = httpx.ConnectError("Connection refused")
        self.serve(controller, samples.rollout(), away, away, samples.finished(revision=99))
        done = fleet("rollout", "show", "57", "--follow")
        assert done.code == 0
        assert done.err.count("does not answer") == 1
        assert done.err.count("is back") == 1

    def test_a_controller_that_stays_away_ends_it(self, fleet, controller, monkeypatch):
        monkeypatch.setattr(follow.time, "sleep", lambda _: None)
        monkeypatch.setattr(follow, "OUTAGE", -1)
        self.serve(controller, httpx.ConnectError("Connection refused"))
        done = fleet("rollout", "show", "57", "--follow")
        assert done.code == 4
        assert "goes on without being watched" in done.err

    def test_on_a_terminal_it_is_drawn_in_place(self, controller, monkeypatch):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "80")
        self.serve(controller, samples.rollout(revision=1), samples.finished(revision=2))
        from controller.cli.app import run

        assert run(["rollout", "show", "57", "--follow"]) == 0
        drawn = terminal.getvalue()
        assert "\x1b[" in drawn
        assert "██" in drawn


def test_no_color_is_respected(controller, monkeypatch, fleet):
    controller.on("GET", f"{V1}/status", samples.status())
    for no_color, coloured in ((None, True), ("1", False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("TERM", "xterm-256color")
        if no_color:
            monkeypatch.setenv("NO_COLOR", no_color)
        from controller.cli.app import run

        assert run(["status"]) == 0
        assert ("\x1b[31m" in terminal.getvalue()) is coloured


def test_watch_needs_a_terminal(fleet):
    done = fleet("status", "--watch")
    assert done.code == 2
    assert "terminal" in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fleet why ", "dev-0207"),
        ("fleet group remove ", "farm-a"),
        ("fleet release show crop-model ", "1.3.0"),
        ("fleet push ", "crop-model"),
        ("fleet push crop-model --group ", "farm-a"),
        ("fleet rollout show ", "57"),
    ],
)
def test_names_are_completed(controller, monkeypatch, capsys, words, expected):
    controller.on("GET", f"{V1}/devices", api.DevicePage(items=[samples.device()]))
    controller.on("GET", f"{V1}/groups", [samples.group()])
    controller.on("GET", f"{V1}/releases", api.ReleasePage(items=[samples.release()]))
    controller.on("GET", f"{V1}/rollouts", api.RolloutPage(items=[samples.rollout()]))
    assert expected in completions(monkeypatch, capsys, words)


def test_completion_is_silent_without_a_controller(controller, monkeypatch, capsys):
    controller.on("GET", f"{V1}/devices", lambda _: httpx.ConnectError("refused"))
    assert completions(monkeypatch, capsys, "fleet why ") == ""


def completions(monkeypatch, capsys, words):
    from controller.cli.app import run

    monkeypatch.setenv("_FLEET_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    run([])
    return capsys.readouterr().out.strip()
