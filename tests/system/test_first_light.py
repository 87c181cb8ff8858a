"""The whole line with real parts: controller, broker, agents, commands as a user types them."""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scripts.demonstration.fleet import BIN, Fleet, wait_until
from tests.support.brokers import Broker

MODULES = Path(__file__).parents[2] / "modules"
CROP = MODULES / "crop-model"


def edited(folder, version, onnx):
    """A copy of crop-model at another version."""
    target = folder / version / "crop-model"
    shutil.copytree(CROP, target)
    text = (target / "model.toml").read_text()
    text = re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', text)
    text = re.sub(r'(?m)^onnx = ".*"$', f'onnx = "versions/{onnx}.onnx"', text)
    (target / "model.toml").write_text(text)
    return target


def push(fleet, *options):
    words = ["push", "crop-model", "--group", "farm-a", "--observe", "5,1s", *map(str, options)]
    return subprocess.run([BIN / "fleet", *words], env=fleet.env, capture_output=True, text=True, check=False)


def answers(agent):
    with np.load(CROP / "evaluation.npz") as data:
        rows, labels = data["image"][:20], data["label"][:20]
    right = 0
    for row, label in zip(rows, labels, strict=True):
        tensor = {"name": "image", "datatype": "FP32", "shape": list(row.shape), "data": row.ravel().tolist()}
        answer = agent.infer("crop-model", [tensor])
        right += int(np.argmax(answer["outputs"][0]["data"]) == label)
    return answer["model_version"], right


def running(fleet, agent):
    model = fleet.json("devices", agent.name)["models"].get("crop-model")
    return model and model["running"]


class Story:
    """The tests of one fleet tell one story, in order, so they stay on one worker."""

    own_broker = False

    @pytest.fixture(scope="class")
    @classmethod
    def fleet(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("fleet")
        broker = Broker("mosquitto", folder / "broker").start() if cls.own_broker else None
        fleet = Fleet(folder, broker.port if broker else None)
        try:
            fleet.up()
            fleet.join(2, "farm-a")
            yield fleet
        finally:
            fleet.down()
            if broker:
                broker.stop()

    def test_push_reaches_every_device_and_they_answer_right(self, fleet):
        done = push(fleet, "--project", CROP)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 of 2 devices run crop-model 1.0.0" in done.stdout + done.stderr
        for agent in fleet.agents:
            version, right = answers(agent)
            assert version == "1.0.0"
            assert right >= 16

    def test_a_device_profiles_what_it_runs(self, fleet):
        document = fleet.json("profile", "crop-model", "--device", "dev-1", "--repeat", "20")
        assert (document["version"], document["target"], document["place"]) == ("1.0.0", "simd", "dev-1")
        assert document["rounds"] == 20
        assert 0 < document["layers_seconds"] < 0.1
        conv = max(document["layers"], key=lambda layer: layer["seconds"])
        assert conv["op"] == "Conv"
        assert conv["limit_seconds"] is None

    def test_pushing_the_same_again_changes_nothing(self, fleet):
        done = push(fleet, "--project", CROP, "--json")
        assert done.returncode == 0, done.stderr
        rollout = json.loads(done.stdout)
        assert rollout["state"] == "done"
        assert rollout["sent"] == 0

    def test_the_release_is_rebuilt_from_what_the_controller_keeps(self, fleet, tmp_path):
        shown = fleet.fleet("release", "verify", "crop-model", "1.0.0", quiet=True).stdout
        assert shown.count("the same bytes") == 2
        assert "verified: crop-model 1.0.0" in shown
        bill = tmp_path / "bill.json"
        fleet.fleet("release", "sbom", "crop-model", "1.0.0", "-o", bill, quiet=True)
        assert json.loads(bill.read_text())["metadata"]["component"]["name"] == "crop-model"
        graph = fleet.json("release", "show", "crop-model", "1.0.0")["provenance"]["graph"]
        (kept,) = (path for path in fleet.folder.rglob(f"*{graph[2:]}") if path.is_file())
        sound = kept.read_bytes()
        kept.write_bytes(sound[:-1])
        words = [BIN / "fleet", "release", "verify", "crop-model", "1.0.0"]
        refused = subprocess.run(words, env=fleet.env, capture_output=True, text=True, check=False)
        kept.write_bytes(sound)
        assert refused.returncode == 1, refused.stderr
        assert f"blob sha256:{graph[:8]}… was damaged" in refused.stderr

    def test_dry_run_says_what_would_be_sent_and_why_a_device_does_not_fit(self, fleet, tmp_path):
        fleet.fleet("enroll", "board-1", "--class", "fpga", "--out", tmp_path / "board-1.invite", quiet=True)
        fleet.fleet("group", "add", "farm-a", "board-1", quiet=True)
        project = edited(tmp_path, "1.1.0", "1.1.0")
        done = push(fleet, "--project", project, "--dry-run", "--json")
        assert done.returncode == 0, done.stderr
        plan = {device["device"]: device for device in json.loads(done.stdout)["devices"]}
        assert plan["board-1"]["target"] is None
        assert "class" in plan["board-1"]["reason"]
        assert plan["dev-1"]["target"] == "simd"
        assert plan["dev-1"]["bytes"] > 0
        assert {running(fleet, agent) for agent in fleet.agents} == {"1.0.0"}
        fleet.fleet("unenroll", "board-1", quiet=True)

    def test_the_same_version_with_other_bytes_is_refused(self, fleet, tmp_path):
        done = push(fleet, "--project", edited(tmp_path, "1.0.0", "1.1.0"))
        assert done.returncode == 5, done.stdout + done.stderr
        assert "1.0.0" in done.stderr
        assert "model.toml" in done.stderr

    def test_upgrade_and_rollback(self, fleet, tmp_path):
        done = push(fleet, "--project", edited(tmp_path, "1.1.0", "1.1.0"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert {answers(agent)[0] for agent in fleet.agents} == {"1.1.0"}
        back = fleet.fleet("rollback", "crop-model", "--group", "farm-a", "--observe", "5,1s", quiet=True)
        assert "1.0.0" in back.stdout + back.stderr
        wait_until(lambda: {running(fleet, agent) for agent in fleet.agents} == {"1.0.0"}, "rolled back")

    def test_interrupting_a_push_detaches_from_it(self, fleet, tmp_path):
        stopped = fleet.agents[1]
        stopped._process.send_signal(signal.SIGSTOP)
        try:
            project = edited(tmp_path, "1.2.0", "1.2.0")
            words = [
                "push",
                "crop-model",
                "--group",
                "farm-a",
                "--observe",
                "5,1s",
                "--project",
                str(project),
            ]
            with subprocess.Popen(
                [BIN / "fleet", *words],
                env=fleet.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process:
                try:
                    wait_until(
                        lambda: any(r["state"] == "running" for r in fleet.json("status")["rollouts"]),
                        "the push has begun",
                    )
                    process.send_signal(signal.SIGINT)
                    said, _ = process.communicate(timeout=30)
                finally:
                    process.kill()
            assert process.returncode == 130, said
            assert "goes on" in said
        finally:
            stopped._process.send_signal(signal.SIGCONT)
        wait_until(lambda: {running(fleet, agent) for agent in fleet.agents} == {"1.2.0"}, "it went on", 60)

    def test_a_device_that_joins_later_receives_what_the_group_wants(self, fleet):
        fleet.join(1, "farm-a", first=3)
        wait_until(lambda: running(fleet, fleet.agents[2]) == "1.2.0", "the newcomer caught up", 60)

    def test_the_agent_killed_while_serving_comes_back_with_its_release(self, fleet):
        agent = fleet.agents[0]
        agent.kill()
        agent.start()
        wait_until(lambda: running(fleet, agent) == "1.2.0", "it serves again")
        assert answers(agent)[0] == "1.2.0"

    def test_the_controller_restarted_knows_everything(self, fleet):
        fleet.stop_server()
        assert answers(fleet.agents[0])[0] == "1.2.0"
        fleet.start_server()
        wait_until(lambda: fleet.json("status")["online"] == 3, "all devices are back", 60)
        assert {running(fleet, agent) for agent in fleet.agents} == {"1.2.0"}

    def test_status_and_why_say_it_in_words(self, fleet):
        status = fleet.fleet("status", quiet=True).stdout
        assert re.search(r"farm-a\s+3\s+3\s+crop-model\s+1\.2\.0 .3\s+1\.2\.0", status)
        why = fleet.fleet("why", "dev-1", quiet=True).stdout
        assert why.startswith("dev-1 runs crop-model 1.2.0")
        assert "generation" in why

    def test_removing_the_model_empties_the_devices(self, fleet):
        fleet.fleet("remove", "crop-model", "--group", "farm-a", quiet=True)
        wait_until(lambda: not any(running(fleet, agent) for agent in fleet.agents), "removed", 60)


class TestEmbeddedBroker(Story):
    """`fleet up` with its own NATS."""


class TestMosquitto(Story):
    """`fleet up --broker`."""

    own_broker = True
