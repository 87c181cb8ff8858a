"""`fleet profile` on a module file."""

import json

import pytest

from controller.cli import profile as command
from protocol import api
from protocol.documents import Fault
from protocol.module import check
from tests.unit.desk import modules
from tests.unit.inspection.samples import MACHINE


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "this_machine", lambda _, **__: MACHINE)
    path = tmp_path / "toy.wasm"
    path.write_bytes(modules.wasm())
    return path


def test_the_table(fleet, file):
    done = fleet("profile", file, "--repeat", "5")
    lines = done.out.splitlines()
    assert lines[0].startswith("toy 1.0.0  simd  ")
    assert "an inference on a machine  4 MAC" in lines[0]
    assert lines[1].split() == ["#", "LAYER", "OP", "TIME", "SHARE", "GMAC/S", "MOVES", "OF", "LIMIT"]
    assert lines[2].split()[:3] == ["0", "/add", "Add"]
    assert "medians of 5 rounds · a call from the host takes " in lines[3]
    assert lines[4].startswith("limits of a machine: int8 1.0 GMAC/s · float32 0.5 GMAC/s · copies 4 GB/s")
    assert done.err.splitlines() == ["profiling toy 1.0.0 for simd on this machine"]


def test_json_and_files(fleet, file, tmp_path):
    page, scope = tmp_path / "page.html", tmp_path / "profile.json"
    document = fleet("profile", file, "--json", "--html", page, "--speedscope", scope).json
    assert document["model"] == "toy"
    (layer,) = document["layers"]
    assert (layer["name"], layer["macs"], layer["shape"]) == ("/add", 4, [1, 4])
    assert layer["seconds"] >= 0
    assert document["rounds"] >= 5
    assert "<svg" not in page.read_text()
    assert json.loads(scope.read_text())["profiles"][0]["type"] == "evented"


def test_a_trap_names_the_layer(fleet, file):
    wasm = modules.wasm()
    store = bytes.fromhex("360200")
    assert wasm.count(store) == 1
    # The address 1040 of the output becomes one outside the memory.
    address = b"\x41\x90\x08"
    at = wasm.index(address, wasm.index(b"\x24\x00"))
    broken = wasm[:at] + b"\x41\x7f\x01" + wasm[at + 3 :]
    check(broken)
    file.write_bytes(broken)
    done = fleet("profile", file)
    assert done.code == 1
    assert "trap in add_0 (/add, Add 4) -> 1x4: " in done.err


def test_a_page_that_cannot_be_written(fleet, file, tmp_path):
    done = fleet("profile", file, "--html", tmp_path / "none" / "page.html")
    assert done.code == 3
    assert "cannot write" in done.err


ID = "ab" * 16


def on_device(**change):
    fields = {"id": ID, "device": "gate-7", "model": "toy", "state": "waiting"}
    return api.DeviceProfile(**fields | change)


def test_on_a_device(fleet, controller):
    answers = [
        on_device(),
        on_device(state="done", version="1.0.0", target="simd", metadata=modules.meta().encode().hex(),
                  layers=[3e-6], times=[4], run=3.1e-6, call=2e-5, rounds=9),
    ]  # fmt: skip
    controller.on("POST", "/api/v1/devices/gate-7/profiles", answers[0], 201)
    controller.on("GET", f"/api/v1/devices/gate-7/profiles/{ID}", lambda _: answers.pop(0))
    done = fleet("profile", "toy", "--device", "gate-7", "--repeat", "9")
    assert controller.sent("POST", "/api/v1/devices/gate-7/profiles") == [{"model": "toy", "rounds": 9}]
    lines = done.out.splitlines()
    assert lines[0].startswith("toy 1.0.0  simd  3.10 µs an inference on gate-7  4 MAC")
    assert lines[1].split() == ["#", "LAYER", "OP", "TIME", "SHARE", "GMAC/S", "MOVES"]
    assert "3.00 µs" in lines[2]
    assert lines[3].endswith("medians of 9 rounds · a call from the host takes 20.0 µs more")
    assert done.err.splitlines() == ["profiling toy on gate-7, beside what it serves"]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"state": "lost"}, 6, "gate-7 did not answer in time"),
        ({"state": "failed", "fault": Fault(code="busy", text="another command is being carried out")}, 1,
         "gate-7 did not profile toy: another command is being carried out"),
    ],
)  # fmt: skip
def test_a_device_that_does_not_do_it(fleet, controller, change, code, says):
    controller.on("POST", "/api/v1/devices/gate-7/profiles", on_device(), 201)
    controller.on("GET", f"/api/v1/devices/gate-7/profiles/{ID}", on_device(**change))
    done = fleet("profile", "toy", "--device", "gate-7")
    assert done.code == code
    assert says in done.err


def test_a_device_that_is_offline(fleet, controller):
    controller.problem(
        "POST",
        "/api/v1/devices/gate-7/profiles",
        409,
        title="gate-7 is offline and cannot be asked",
        exit_code=4,
    )
    done = fleet("profile", "toy", "--device", "gate-7")
    assert done.code == 4
    assert "gate-7 is offline" in done.err
    assert len(controller.requests) == 1


def test_a_file_is_not_on_a_device(fleet, file):
    assert fleet("profile", file, "--device", "gate-7").code == 3
