"""A fleet of 412 devices in the middle of a push, as the controller would describe it."""

from protocol import api
from protocol.documents import Capabilities, Fault, ModelReport, Slot, Usage
from protocol.module import TensorMeta

NOW = 1_790_000_000
FAULT = "golden test: first difference in layer conv_12 (/features/3/conv, Conv 1x1 96->24)"


def rollout_device(name, wave, state, **more):
    fields = {
        "device": name, "wave": wave, "state": state, "online": state != "offline", "target": "simd",
        "size": 20275, "running": "1.2.0",
    }  # fmt: skip
    return api.RolloutDevice(**(fields | more))


def rollout(state="running", **more):
    devices = [
        rollout_device(
            f"dev-000{n}", 1, "confirmed", golden=(4, 4), p95_us=400 + n, previous_p95_us=440, running="1.3.0"
        )
        for n in range(1, 5)
    ]
    devices += [
        rollout_device("dev-0193", 2, "fetching", have=14438, reused=5325),
        rollout_device("dev-0207", 2, "failed", fault=Fault(code="golden", text=FAULT)),
        rollout_device("dev-0311", 2, "offline"),
    ]
    fields = {
        "id": 57, "revision": 12, "kind": "push", "state": state, "model": "crop-model", "version": "1.3.0",
        "group": "farm-a", "created": NOW - 60, "ended": None,
        "waves": [
            api.Wave(number=1, name="canary", state="done", devices=4, counts={"confirmed": 4},
                     started=NOW - 60, ended=NOW - 48),
            api.Wave(number=2, name="10 %", state="running", devices=42, started=NOW - 40, ended=None,
                     counts={"confirmed": 23, "observing": 5, "fetching": 9, "offline": 4, "failed": 1}),
            api.Wave(number=3, name="", state="waiting", devices=363, counts={}, started=None, ended=None),
        ],
        "devices": devices, "unfit": [], "sent": 8_493_465, "saved": 1_992_294, "outcome": "wave 2 of 3",
    }  # fmt: skip
    return api.Rollout(**(fields | more))


def finished(**more):
    devices = [rollout_device(f"dev-{n}", 1, "confirmed", running="1.3.0") for n in (1, 2)]
    wave = api.Wave(
        number=1, name="all", state="done", devices=2, counts={"confirmed": 2}, started=NOW - 192, ended=NOW
    )
    fields = {"created": NOW - 192, "ended": NOW, "devices": devices, "waves": [wave]}
    return rollout("done", **(fields | more))


def status(**more):
    fields = {
        "at": NOW, "devices": 472, "online": 465, "stale": 3, "failed": 4, "rollouts": [rollout()],
        "attention": [
            api.Attention(
                device="dev-0207", state="failed", since=NOW - 120,
                text="golden test in conv_12; went back to 1.2.0, serving",
            ),
            api.Attention(
                device="dev-0311", state="offline", since=NOW - 3 * 86400,
                text="last seen 3 days ago, on 1.1.0; will catch up with 19.8 KiB when back",
            ),
        ],
        "groups": [
            api.GroupModel(group="farm-a", devices=412, online=405, model="crop-model",
                           running={"1.3.0": 37, "1.2.0": 371}, wanted="1.3.0", rate=3870.2),
            api.GroupModel(group="farm-b", devices=60, online=60, model="frost", running={"0.9.1": 60},
                           wanted="0.9.1", rate=120.0),
        ],
    }  # fmt: skip
    return api.Status(**(fields | more))


def device(name="dev-0207", **more):
    usage = Usage(inferences=120_000, failures=0, p50_us=380, p95_us=440, rate=9.6, total=120_000)
    running = Slot(manifest=b"\1" * 32, version="1.2.0", sequence=6, target="simd")
    fault = Fault(code="golden", text=FAULT, layer=12, at=NOW - 120, manifest=b"\2" * 32)
    report = ModelReport(
        state="failed", running=running, wanted=b"\2" * 32, golden=(3, 4), fault=fault, usage=usage
    )
    fields = {
        "name": name, "device_class": "linux", "labels": {"site": "north", "kind": "gateway"},
        "groups": ["farm-a"], "claimed": True, "online": True, "stale": False, "last_seen": NOW - 4,
        "generation": 41, "reported_generation": 41, "fault": None,
        "capabilities": Capabilities(
            device_class="linux", targets=("simd", "mvp"), abi=1 << 16, memory=64 << 20, agent="0.1.0",
            platform="x86_64", storage=1 << 33,
        ),
        "models": {
            "crop-model": api.WantedModel(wanted="1.3.0", running="1.2.0", state="failed", report=report)
        },
    }  # fmt: skip
    return api.Device(**(fields | more))


def why():
    return api.Why(
        device="dev-0207",
        summary=["dev-0207 runs crop-model 1.2.0 and should run 1.3.0."],
        events=[
            api.Event(at=NOW - 130, device="dev-0207", kind="push",
                      text="push 57 (token ops-night) wants 1.3.0 for farm-a; "
                           "dev-0207 is in farm-a because site=north and kind=gateway"),
            api.Event(at=NOW - 120, device="dev-0207", kind="failed", text=FAULT),
        ],
        remedies=["fleet push crop-model --group farm-a --retry-failed"],
    )  # fmt: skip


def group(**more):
    fields = {
        "name": "farm-a", "members": ["dev-0207"], "query": "site=north",
        "devices": ["dev-0193", "dev-0207"], "wanted": {"crop-model": "1.3.0"},
    }  # fmt: skip
    return api.Group(**(fields | more))


def release(**more):
    modules = [
        api.ModuleInfo(target=target, size=size, sha256="77" * 32, memory=131072, chunks=5, arena=6349,
                       macs=1_310_000)
        for target, size in (("simd", 20275), ("mvp", 20582))
    ]  # fmt: skip
    fields = {
        "model": "crop-model", "version": "1.3.0", "manifest": "9f2c41d0" + "00" * 28, "signed": "d862",
        "sequence": 7, "floor": 0, "classes": ["linux"], "created": NOW - 3600, "withdrawn": False,
        "signers": ["44" * 8], "modules": modules,
        "inputs": [TensorMeta(name="image", dtype="int8", shape=(1, 4, 3, 3), scale=0.0079, zero_point=-1)],
        "outputs": [TensorMeta(name="class", dtype="int8", shape=(1, 6), scale=0.0039, zero_point=-128)],
        "provenance": {"onnx": "sha256:77ab", "compiler": "zig 0.17.1"}, "devices": 37,
        "confidential": False,
    }  # fmt: skip
    return api.Release(**(fields | more))


def plan(**more):
    fields = {
        "model": "crop-model", "version": "1.3.0", "group": "farm-a", "manifest": "9f" * 32,
        "waves": ["canary", "10 %", ""], "publish_bytes": 40857,
        "devices": [
            api.PlannedDevice(device="dev-0001", wave=1, target="simd", bytes=14000, online=True,
                              reason="runs 1.2.0"),
            api.PlannedDevice(device="board-1", wave=None, target=None, bytes=0, online=False,
                              reason="crop-model 1.3.0 is for linux, this device is of class fpga"),
        ],
    }  # fmt: skip
    return api.PushPlan(**(fields | more))
