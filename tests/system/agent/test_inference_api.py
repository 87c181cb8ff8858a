"""Open Inference Protocol v2 over HTTP, and inference over MQTT."""

import functools
import json
import os
import resource
import signal
import struct
import urllib.request
from pathlib import Path

import pytest

from protocol import cbor, topics
from tests.support.agents import InferenceFailedError, floats
from tests.support.director import wait_until
from tests.support.fake_module import FakeModule
from tests.system.agent.conftest import make_world

VALUES = [0.5, 1.0, -1.0, 2.0, 3.5, -4.0, 5.0, 6.0]
QUANTIZED = bytes(int(v * 2) & 0xFF for v in VALUES)
ONE = FakeModule()
RIGHT = floats(ONE.answer(QUANTIZED))
ITEM = {"name": "x", "datatype": "FP32", "shape": [1, 8], "data": VALUES}
pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """Nothing here changes what is served, so one agent does for all."""
    for world in make_world("mosquitto", tmp_path_factory.mktemp("serving")):
        world.agent.start()
        one = world.director.release(ONE)
        world.director.assign(one)
        world.director.wait_state(one, "confirmed")
        yield world


def test_what_the_protocol_asks_for(serving):
    agent = serving.agent
    assert agent.get("/v2")["name"] == "fleet-agent"
    assert agent.get("/v2/health/live") == {"live": True}
    assert agent.get("/v2/health/ready") == {"ready": True}
    tensor = {"datatype": "FP32", "shape": [1, 8]}
    assert agent.get("/v2/models/crop-model") == {
        "name": "crop-model", "versions": ["1.0.0"], "platform": "fleet_wasm_simd",
        "inputs": [{"name": "x", **tensor}], "outputs": [{"name": "z", **tensor}],
    }  # fmt: skip
    assert agent.get("/v2/models/crop-model/ready") == {"name": "crop-model", "ready": True}
    assert agent.get("/v2/models/crop-model/versions/1.0.0/ready") is not None
    assert agent.get("/v2/models/crop-model/versions/9.0.0/ready") is None
    body = agent.post("crop-model", {"id": "42", "inputs": [ITEM]})
    assert (body["id"], body["model_name"], body["model_version"]) == ("42", "crop-model", "1.0.0")
    assert body["outputs"] == [{"name": "z", "datatype": "FP32", "shape": [1, 8], "data": RIGHT}]
    nested = {**ITEM, "data": [VALUES]}
    assert agent.post("crop-model", {"inputs": [nested]})["outputs"][0]["data"] == RIGHT


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "list of inputs"),
        ([], "list of inputs"),
        ({"inputs": []}, "input x is missing"),
        ({"inputs": [{**ITEM, "name": "y"}]}, "input 'y' is unknown; the model takes x"),
        ({"inputs": [{**ITEM, "datatype": "INT64"}]}, "input x is 'INT64', the model takes FP32"),
        ({"inputs": [{**ITEM, "shape": [8]}]}, "input x has shape [8], the model takes [1, 8]"),
        ({"inputs": [{**ITEM, "data": VALUES[:7]}]}, "input x has 7 elements, the model takes 8"),
        ({"inputs": [{**ITEM, "data": ["a"] * 8}]}, "input x:"),
        ({"inputs": [{**ITEM, "data": None}]}, "data must be a list"),
        ({"inputs": [{**ITEM, "datatype": "\ud800" * 99}]}, "the model takes FP32"),
        ({"inputs": [{**ITEM, "data": functools.reduce(lambda a, _: [a], range(900), 1)}]}, "recursion"),
        ({"inputs": [{**ITEM, "parameters": [1]}]}, "parameters must be an object"),
        ({"inputs": [ITEM], "parameters": "x"}, "parameters must be an object"),
        ({"inputs": [ITEM], "outputs": 3}, "outputs must be a list"),
        ({"inputs": [ITEM], "outputs": [{"name": [1]}]}, "outputs must be a list"),
        ({"inputs": [ITEM], "outputs": [{"name": "z", "parameters": 1}]}, "parameters must be an object"),
        ({"inputs": [ITEM], "id": float("nan")}, "id must be a printable text"),
        ({"inputs": [ITEM], "id": "\ud800"}, "id must be a printable text"),
        ({"inputs": [ITEM], "id": "x" * 70_000}, "larger than the 66048 bytes"),
    ],
)
def test_bad_requests_get_one_clear_reason(serving, body, reason):
    with pytest.raises(InferenceFailedError) as caught:
        serving.agent.post("crop-model", body)
    status, answer = caught.value.args
    assert status == 400
    assert reason in answer["error"]


def test_an_unknown_model_is_404_and_names_those_there_are(serving):
    with pytest.raises(InferenceFailedError) as caught:
        serving.agent.post("frost", {"inputs": [ITEM]})
    assert caught.value.args[0] == 404
    assert "crop-model" in caught.value.args[1]["error"]


def test_binary_tensors_in_and_out(serving):
    data = struct.pack("<8f", *VALUES)
    item = {"name": "x", "datatype": "FP32", "shape": [1, 8], "parameters": {"binary_data_size": len(data)}}
    header = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{serving.agent.port}/v2/models/crop-model/infer", header + data,
        {"Inference-Header-Content-Length": str(len(header))},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback, built above
        split = int(answer.headers["Inference-Header-Content-Length"])
        body = answer.read()
    output = json.loads(body[:split])["outputs"][0]
    assert output["parameters"]["binary_data_size"] == 32
    assert list(struct.unpack("<8f", body[split:])) == RIGHT


def test_inference_over_mqtt(world):
    director, agent = world.director, world.agent
    agent.start()
    one = director.release(ONE)
    director.assign(one)
    director.wait_state(one, "confirmed")

    def ask(**request):
        topic = topics.device("dev-1", "infer/in")
        director.publish(topic, cbor.encode(request), retain=False)
        return wait_until(
            lambda: next((a for a in director.answers if a["id"] == request["id"]), None), "an answer"
        )

    tensor = {"dtype": "float32", "shape": [1, 8], "data": struct.pack("<8f", *VALUES)}
    answer = ask(id=1, model="crop-model", inputs={"x": tensor})
    assert (answer["model"], answer["version"]) == ("crop-model", "1.0.0")
    assert answer["latency_us"] > 0
    assert list(struct.unpack("<8f", answer["outputs"]["z"]["data"])) == RIGHT
    assert ask(id="a", model="frost", inputs={})["error"]["code"] == "unknown-model"
    assert ask(id=b"b", model="crop-model", inputs={})["error"]["code"] == "input"
    short = {**tensor, "data": b"1234"}
    assert "has 4 bytes" in ask(id=4, model="crop-model", inputs={"x": short})["error"]["text"]


def test_a_question_that_the_broker_keeps_is_not_asked_again(one_world):
    director, agent = one_world.director, one_world.agent
    topic = topics.device("dev-1", "infer/in")
    director.publish(topic, cbor.encode({"id": "kept", "model": "crop-model"}))
    agent.start()
    wait_until(lambda: director.reports, "it is connected")
    director.publish(topic, cbor.encode({"id": "new", "model": "crop-model"}), retain=False)
    wait_until(lambda: director.answers, "an answer")
    assert [answer["id"] for answer in director.answers] == ["new"]


def test_a_failing_inference_names_the_layer(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    built = director.release(FakeModule(behaviour="trap", after=5))
    director.assign(built, observe=(1, 1))
    director.wait_state(built, "confirmed")
    # Three golden runs came before; the sixth run traps.
    for _ in range(2):
        agent.infer("crop-model", VALUES)
    with pytest.raises(InferenceFailedError) as caught:
        agent.infer("crop-model", VALUES)
    status, body = caught.value.args
    assert (status, body["code"], body["layer"]) == (500, "trap", 1)
    assert "trap in conv_1 (/second/Conv, Conv 1x1 8->8) -> 1x8: out of bounds" in body["error"]
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


def test_an_agent_without_room_for_another_process_answers_and_heals(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    one = director.release(ONE)
    director.assign(one)
    director.wait_state(one, "confirmed")
    everything = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    room = len(list(Path(f"/proc/{agent.pid}/fd").iterdir())) + 1
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (room, everything[1]))
    os.kill(agent.runner_pids()[0], signal.SIGKILL)
    tensor = {"dtype": "float32", "shape": [1, 8], "data": struct.pack("<8f", *VALUES)}
    request = {"id": 1, "model": "crop-model", "inputs": {"x": tensor}}
    director.publish(topics.device("dev-1", "infer/in"), cbor.encode(request), retain=False)
    wait_until(lambda: director.answers, "an answer")
    assert "error" in director.answers[0]
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, everything)
    wait_until(lambda: agent.get("/v2/models/crop-model/ready"), "the model is back")
