"""Modules that keep state from run to run; silero-vad here is the short form of `scripts/prove recurrent`."""

import contextlib
import io
import json

import numpy as np
import pytest

from controller.cli.app import run as command
from controller.compiler import Instance, Silent, compile_model
from controller.compiler.ir.document import encode
from controller.compiler.stages import Request, read_stage
from device_agent.runner.engine import EngineError
from tests import oracle
from tests.prove import recurrent
from tests.support.compiling import engine
from tests.support.streaming import PAIR, SHUFFLES, SIZE, STATE, comparison, counter, shuffle

SEED = 41
ONES, MOST = np.ones(SIZE, np.float32), np.full(SIZE, 3e38, np.float32)
BAD = np.array([1, np.nan, 1], np.float32)


@pytest.mark.parametrize("target", recurrent.TARGETS)
def test_a_streaming_module_follows_onnxruntime(target):
    random = np.random.default_rng(SEED)
    # Loud and quiet stretches of tones in noise: the state has something to remember.
    time = np.arange(120 * recurrent.WINDOW) / recurrent.RATE
    loudness = np.repeat(random.random(120) ** 3, recurrent.WINDOW)
    tones = sum(np.sin(2 * np.pi * pitch * time) for pitch in (140, 280, 700, 1100)) / 4
    samples = loudness * (tones + 0.2 * random.standard_normal(len(time)))
    result = recurrent.compare(target, recurrent.frames(samples.astype(np.float32)))
    assert result.steps == 120
    assert result.difference <= recurrent.LIMIT, f"seed {SEED}"


@pytest.mark.parametrize("target", ["simd", "mvp"])
def test_reset_makes_the_next_run_the_first(target):
    instance = Instance(compile_model(counter(), state=STATE, target=target).wasm)
    for _ in range(2):
        assert [instance.run({"x": ONES})["y"][0] for _ in range(3)] == [2, 4, 6]
        instance.reset()


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize("target", ["simd", "mvp"])
def test_a_run_that_is_not_finite_leaves_the_state_as_it_was(target, by_layer):
    instance = Instance(compile_model(counter(), state=STATE, target=target).wasm)
    instance.run({"x": ONES})
    if by_layer:
        assert len(list(instance.run_layers({"x": BAD}))) == len(instance.meta.layers)
    else:
        assert not instance.is_finite({"x": BAD})
    assert np.array_equal(instance.run({"x": ONES})["y"], 4 * ONES)


def test_a_state_that_would_not_be_finite_counts_though_no_output_shows_it():
    instance = Instance(compile_model(comparison(), state=STATE).wasm)
    assert instance.is_finite({"x": MOST})
    assert not instance.is_finite({"x": MOST})
    # It is still the 3e38 of the first run.
    assert instance.run({"x": -ONES})["y"].all()


def test_the_oracle_keeps_the_state_by_the_same_rule():
    _, graph = read_stage(counter(), Request("counter", {}, STATE), Silent())
    judge = oracle.load(encode(graph))
    state = {}
    for x, expected in ((ONES, 2), (BAD, np.nan), (ONES, 4), (MOST, np.inf), (ONES, 6)):
        values = oracle.run(judge, {"x": x}, state)
        assert np.array_equal(values["y"][1], expected, equal_nan=True)
        state = oracle.next_state(judge, values)


@pytest.mark.parametrize("text", SHUFFLES)
def test_states_that_depend_on_each_other(text):
    random = np.random.default_rng(SEED)
    _, graph = read_stage(shuffle(text), Request("shuffle", {}, PAIR), Silent())
    judge, state = oracle.load(encode(graph)), {}
    instances = [
        Instance(compile_model(shuffle(text), state=PAIR, target=name).wasm) for name in recurrent.TARGETS
    ]
    for _ in range(5):
        x = random.standard_normal(SIZE).astype(np.float32)
        values = oracle.run(judge, {"x": x}, state)
        state = oracle.next_state(judge, values)
        for instance in instances:
            assert np.array_equal(instance.run({"x": x})["y"], values["y"]), f"seed {SEED}"


def test_an_agent_goes_on_after_an_input_that_is_not_finite():
    loaded = engine(compile_model(counter(), state=STATE))

    def y(x, *, reset=False):
        return float(np.frombuffer(loaded.run({"x": x.tobytes()}, reset=reset)["y"].data, np.float32)[0])

    assert [y(ONES), y(ONES)] == [2, 4]
    with pytest.raises(EngineError, match="input x has a NaN"):
        y(BAD)
    with pytest.raises(EngineError, match="not a finite number") as caught:
        y(MOST)
    assert caught.value.layer == 1
    assert [y(ONES), y(ONES, reset=True), y(ONES)] == [6, 2, 4]


def test_golden_runs_leave_nothing_behind():
    loaded = engine(compile_model(counter(), state=STATE))
    digests = {loaded.golden([ONES.tobytes()]) for _ in range(2)}
    assert len(digests) == 1
    answer = loaded.run({"x": ONES.tobytes()}, reset=False)["y"].data
    assert np.array_equal(np.frombuffer(answer, np.float32), 2 * ONES)


@pytest.fixture
def streaming(tmp_path):
    """A module with state in a file."""
    path = tmp_path / "m.wasm"
    path.write_bytes(compile_model(counter(), state=STATE).wasm)
    return path


def run_on(module, x, *words):
    """Exit code and last line of `fleet run`, and the outputs of the first round."""
    file, out = module.with_name("x.npy"), module.with_name("y.npz")
    np.save(file, x)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        code = command(["run", *map(str, (module, "--input", file, "--output", out, *words)), "--json"])
    result = json.loads(said.getvalue().splitlines()[-1])
    if code:
        return code, result, None
    with np.load(out) as arrays:
        return code, result, arrays["y"]


def test_a_sequence_is_run_step_by_step(streaming):
    x = np.random.default_rng(SEED).integers(0, 99, (5, SIZE)).astype(np.float32)
    code, said, y = run_on(streaming, x, "--repeat", "3")
    assert (code, said["runs"], said["finite"]) == (0, 15, True)
    assert np.array_equal(y, 2 * np.cumsum(x, axis=0))


def test_every_repetition_begins_with_reset(streaming):
    code, said, y = run_on(streaming, ONES, "--repeat", "4")
    assert (code, said["runs"]) == (0, 4)
    assert np.array_equal(y, 2 * ONES)


def test_the_step_that_is_not_finite_is_named(streaming):
    code, said, y = run_on(streaming, np.stack([ONES, ONES, MOST, ONES]))
    assert (code, said["finite"]) == (0, False)
    assert "/double" in said["layer"]
    assert said["layer"].endswith("in step 2")
    assert np.array_equal(y[:, 0], [2, 4, np.inf, 6])


def test_an_empty_sequence(streaming):
    code, said, _ = run_on(streaming, np.zeros((0, SIZE), np.float32))
    assert code == 3
    assert "or none: x 0" in said["error"]
