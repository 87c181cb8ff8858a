"""A model with state on a real agent: its sequence goes on, and begins again when it is told to."""

import struct

import onnx
import pytest

from protocol import cbor, topics
from tests.support.agents import InferenceFailedError
from tests.support.director import wait_until
from tests.support.real_models import release_of
from tests.support.streaming import SIZE, STATE, counter

pytestmark = pytest.mark.broker
PAIR = "".join(f'{name} = "{successor}"\n' for name, successor in STATE.items())
ONES, TOO_MUCH = [1.0] * SIZE, [3e38] * SIZE


@pytest.fixture
def serving(one_world, tmp_path):
    """An agent that serves `counter`."""
    project = tmp_path / "counter"
    project.mkdir()
    onnx.save(counter(), project / "m.onnx")
    (project / "model.toml").write_text(
        f'name = "counter"\nversion = "1.0.0"\nonnx = "m.onnx"\n[state]\n{PAIR}'
    )
    director = one_world.director
    one_world.agent.start()
    built = release_of("counter", project, director.keys.release, 1)
    director.publish_release(built)
    director.assign(built)
    director.wait_state(built, "confirmed")
    return one_world


def test_a_sequence_over_http_and_mqtt(serving):
    director, agent = serving.director, serving.agent

    def over_http(values, **parameters):
        item = {"name": "x", "datatype": "FP32", "shape": [SIZE], "data": values}
        answer = agent.post("counter", {"inputs": [item], "parameters": parameters})
        return answer["outputs"][0]["data"][0]

    def over_mqtt(identity, **more):
        tensor = {"dtype": "float32", "shape": [SIZE], "data": struct.pack(f"<{SIZE}f", *ONES)}
        request = {"id": identity, "model": "counter", "inputs": {"x": tensor}, **more}
        director.publish(topics.device("dev-1", "infer/in"), cbor.encode(request), retain=False)
        answer = wait_until(
            lambda: next((a for a in director.answers if a["id"] == identity), None), "an answer"
        )
        return struct.unpack_from("<f", answer["outputs"]["y"]["data"])[0]

    # Golden runs came before, and left nothing.
    assert [over_http(ONES), over_http(ONES)] == [2, 4]
    assert [over_mqtt(1), over_mqtt(2, reset=True)] == [6, 2]
    assert [over_http(ONES), over_http(ONES, sequence_start=True), over_http(ONES)] == [4, 2, 4]
    with pytest.raises(InferenceFailedError) as caught:
        over_http(TOO_MUCH)
    assert "/double" in caught.value.args[1]["error"]
    assert over_http(ONES) == 6
