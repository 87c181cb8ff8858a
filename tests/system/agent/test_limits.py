"""Memory, time and room: what the agent takes, and what it does when there is no more."""

import resource
import time

import pytest

from device_agent.runner.engine import load_module, new_engine
from device_agent.slots.cache import CompiledCache, host_fingerprint
from device_agent.slots.files import DiskFiles
from protocol.chunks import sha256
from protocol.keys import SoftwareKey
from tests.support.agents import resident_bytes
from tests.support.director import wait_until
from tests.support.fake_module import FakeModule
from tests.support.real_models import MODELS, build_release

VALUES = [1.0] * 8
ONE = FakeModule(functions=500)
MOST_RESIDENT = 120 << 20
MOST_SECONDS = 2.0


@pytest.fixture
def serving(one_world):
    one_world.agent.start()
    one = one_world.director.release(ONE)
    one_world.director.assign(one)
    one_world.director.wait_state(one, "confirmed")
    return one_world


@pytest.mark.broker
@pytest.mark.parametrize("model", MODELS)
def test_agent_and_an_idle_runner_are_small_and_ready_soon(one_world, tmp_path, model):
    director, agent = one_world.director, one_world.agent
    built, sample = build_release(model, "1.0.0", tmp_path, director.keys.release, 1)
    director.publish_release(built)
    agent.start()
    director.assign(built)
    director.wait_state(built, "confirmed")
    item = {"name": sample.name, "datatype": "FP32", "shape": sample.shape, "data": sample.values}
    for _ in range(20):
        assert agent.post(model, {"inputs": [item]})["outputs"][0]["data"] == sample.answer
    (runner,) = agent.runner_pids()
    sizes = {"agent": resident_bytes(agent.pid), "runner": resident_bytes(runner)}
    agent.kill()
    start = time.monotonic()
    agent.start(wait=False)
    wait_until(lambda: agent.get(f"/v2/models/{model}/ready"), "ready")
    seconds = time.monotonic() - start
    print({name: f"{size / 2**20:.0f} MiB" for name, size in sizes.items()}, f"ready {seconds:.2f} s")  # noqa: T201
    assert sum(sizes.values()) <= MOST_RESIDENT
    assert seconds < MOST_SECONDS


@pytest.mark.parametrize("model", MODELS)
def test_cached_code_loads_ten_times_faster_than_it_compiles(tmp_path, model):
    built, _ = build_release(model, "1.0.0", tmp_path, SoftwareKey.generate(), 1)
    wasm = b"".join(built.blobs[digest] for digest in built.chunks)
    cache = CompiledCache(DiskFiles(tmp_path / "agent"), host_fingerprint())
    engine = new_engine()
    _, compiled = load_module(engine, wasm, None)
    assert compiled is not None
    # The agent has checked the module's digest before it asks for either.
    digest = sha256(wasm)
    cache.put(digest, compiled)

    def seconds(*, cached: bool) -> float:
        start = time.perf_counter()
        _, compiled = load_module(engine, wasm, cache.get(digest) if cached else None)
        duration = time.perf_counter() - start
        assert (compiled is None) is cached
        return duration

    compile_time = min(seconds(cached=False) for _ in range(5))
    load_time = min(seconds(cached=True) for _ in range(5))
    ratio = f"{compile_time / load_time:.0f} times"
    print(f"compile {1e3 * compile_time:.1f} ms, load {1e3 * load_time:.2f} ms, {ratio}")  # noqa: T201
    assert compile_time >= 10 * load_time


@pytest.mark.broker
def test_torn_and_tampered_code_is_compiled_anew(serving):
    agent = serving.agent
    (entry,) = (agent.data / "cache").iterdir()
    good = entry.read_bytes()
    for bad in (good[: len(good) // 2], good[:-1] + bytes([good[-1] ^ 1]), b""):
        agent.stop()
        entry.write_bytes(bad)
        agent.start()
        assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"
        # Compiling is not repeatable to the byte; the HMAC of what is there now is right again.
        assert CompiledCache(DiskFiles(agent.data), host_fingerprint()).get(sha256(ONE.build())) is not None


@pytest.mark.broker
def test_disk_full_is_reported_with_path_and_bytes_and_heals_by_itself(serving):
    director, agent = serving.director, serving.agent
    big = FakeModule(version="1.1.0", key=2, weights=400_000)
    built = director.release(big, 2)
    # A limit on the size of files fails writes as a full disk does, in the same place.
    everything = resource.prlimit(agent.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (100_000, everything[1]))
    director.assign(built)
    report = director.wait(
        lambda r: (m := r.models["crop-model"]).fault and m.fault.code == "disk-full", "disk-full is reported"
    )
    model = report.models["crop-model"]
    assert model.state == "failed"
    assert str(agent.data / "models/crop-model/b/module") in model.fault.text
    assert "more bytes" in model.fault.text
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"
    resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, everything)
    director.wait_state(built, "confirmed", 60)
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.1.0"


@pytest.mark.broker
def test_a_module_that_needs_more_memory_than_allowed_is_stopped_by_the_kernel(serving):
    (pid,) = serving.agent.runner_pids()
    soft, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
    assert soft == hard
    assert soft < 600 << 20
