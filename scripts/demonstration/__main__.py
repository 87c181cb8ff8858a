"""The demonstration, scene by scene."""

import argparse
import re
import shutil
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from scripts.demonstration.attacks import Tamperer, forge_release
from scripts.demonstration.fleet import Agent, Fleet, wait_until
from scripts.demonstration.traffic import Traffic

MODULES = Path(__file__).parents[2] / "modules"
GROUP = "farm-a"


def scene(title: str) -> None:
    """Announce what comes."""
    print(f"\n=== {title}", flush=True)


def project(fleet: Fleet, model: str, version: str, onnx: str | None = None) -> Path:
    """A copy of a model project at another version, as an engineer would edit it."""
    folder = fleet.folder / "projects" / f"{model}-{version}" / model
    shutil.copytree(MODULES / model, folder)
    file = folder / "model.toml"
    text = re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', file.read_text())
    if onnx is not None:
        text = re.sub(r'(?m)^onnx = ".*"$', f'onnx = "{onnx}"', text)
    file.write_text(text)
    return folder


def push(fleet: Fleet, model: str, *options: object) -> None:
    """Push to the group, and insist that it works."""
    done = fleet.fleet("push", model, "--group", GROUP, *options, "--observe", "20,2s")
    if done.returncode:
        raise RuntimeError(f"push ended with exit code {done.returncode}")


def upgrade_under_load(fleet: Fleet) -> None:
    """Version 1.1.0 arrives while all four agents answer real rows."""
    scene("the retrained model 1.1.0, while all four agents answer real rows of the test set")
    retrained = project(fleet, "crop-model", "1.1.0", "versions/1.1.0.onnx")
    with Traffic(fleet.agents, "crop-model", MODULES / "crop-model/evaluation.npz") as traffic:
        wait_until(lambda: sum(traffic.answered.values()) > 200, "traffic flows")
        push(fleet, "crop-model", "--project", retrained)
        served = traffic.answered["1.1.0"]
        wait_until(lambda: traffic.answered["1.1.0"] > served + 200, "1.1.0 serves")
    print("\n".join(traffic.summary()))
    if traffic.lost or set(traffic.answered) != {"1.0.0", "1.1.0"}:
        raise RuntimeError("an inference was lost, or a version did not answer")


def tampered_chunk(fleet: Fleet) -> None:
    """Someone with write access to the broker replaces a chunk of 1.3.0."""
    scene("attack: somebody on the broker replaces a chunk of 1.3.0 as soon as it is published")
    release = project(fleet, "crop-model", "1.3.0", "versions/1.0.0.onnx")
    with Tamperer(fleet.mqtt_port) as attacker:
        done = fleet.fleet("push", "crop-model", "--group", GROUP, "--project", release, "--observe", "20,2s")
        if done.returncode != 1:
            raise RuntimeError(f"a push of forged bytes ended with exit code {done.returncode}, not 1")
        print("the first device stopped it; insist on the others, each in a group of its own:")
        for agent in fleet.agents[1:]:
            alone = f"only-{agent.name}"
            fleet.fleet("group", "add", alone, agent.name, quiet=True)
            fleet.fleet("push", "crop-model", "--version", "1.3.0", "--group", alone, "--detach", quiet=True)
        for agent in fleet.agents:
            show_event(fleet, agent, "other bytes")
    print(f"the chunk was overwritten {attacker.count} times; now the attacker is locked out:")
    push(fleet, "crop-model", "--version", "1.3.0", "--retry-failed")


def running(fleet: Fleet) -> set[str | None]:
    """Versions of crop-model that the devices confirmed."""
    found = [device["models"].get("crop-model") for device in fleet.json("devices")]
    return {model["running"] if model and model["state"] == "confirmed" else None for model in found}


def wrong_key(fleet: Fleet) -> None:
    """Someone stole the director's key, but not the release key."""
    scene("attack: a thief with the director's key assigns a release that the wrong key has signed")
    generations = {device["name"]: device["generation"] for device in fleet.json("devices")}
    manifest = bytes.fromhex(fleet.json("release", "show", "crop-model", "1.3.0")["manifest"])
    key = fleet.folder / "data/fleet/controller/director.key"
    with fleet.frozen_controller():
        rogue = forge_release(fleet.mqtt_port, key, manifest, generations).public.id.hex()
        print("while the controller hangs; what fleet-agent status says on each device:")
        for agent in fleet.agents:
            wait_until(partial(tells, agent, rogue), f"{agent.name} refuses key {rogue}")
            print(f"  {' '.join(agent.says().split())}", flush=True)
    print("the controller wakes, and signs above the forged generation:")
    wait_until(lambda: running(fleet) == {"1.3.0"}, "all devices are back on the true assignment", 60)
    print("  all four are on crop-model 1.3.0, confirmed; none ever stopped serving it")


def tells(agent: Agent, words: str) -> bool:
    """Whether the device itself says these words."""
    return words in agent.says()


def show_event(fleet: Fleet, agent: Agent, words: str) -> None:
    """Wait until `fleet why` tells of an event with these words, and show that."""
    told: list[str] = []

    def has_told() -> bool:
        texts = [event["text"] for event in fleet.json("why", agent.name)["events"]]
        told[:] = [text for text in texts if words in text]
        return bool(told)

    wait_until(has_told, f"{agent.name} tells of {words!r}")
    print(f"  {agent.name}  {told[-1]}", flush=True)


def large_model(fleet: Fleet) -> None:
    """A module of more than half a megabyte: progress, resume after a power cut, deduplication."""
    scene("a second, larger model: text direction, float32; one agent loses power while it fetches")
    victim = fleet.agents[0]
    stored = victim.data / "models/text-direction"
    cut = threading.Thread(target=lambda: kill_at(victim, stored, 100_000))
    cut.start()
    fleet.fleet("push", "text-direction", "--group", GROUP, "--observe", "20,2s", "--detach")
    cut.join()
    print(f"kill -9 {victim.name} with {on_disk(stored):,} bytes of the module stored; it starts again")
    victim.start()
    number = max(rollout["id"] for rollout in fleet.json("status")["rollouts"])
    if fleet.fleet("rollout", "show", number, "--follow").returncode:
        raise RuntimeError("the interrupted push did not succeed")
    show_event(fleet, victim, "text-direction: fetched")
    scene("the same weights as 1.0.1: what is on the devices already is not sent again")
    push(fleet, "text-direction", "--project", project(fleet, "text-direction", "1.0.1"))


def on_disk(folder: Path) -> int:
    """Bytes of a module that the agent has written; the file has its full length from the start."""
    return max((file.stat().st_blocks * 512 for file in folder.glob("*/module")), default=0)


def kill_at(agent: Agent, folder: Path, size: int) -> None:
    """`kill -9` an agent as soon as so many bytes of a module are on its disk."""
    wait_until(lambda: on_disk(folder) > size, f"{agent.name} fetches", 60, pause=0.0005)
    agent.kill()


def main() -> None:
    """Run all scenes in a temporary folder."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=main.__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder behind")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fleet-demo-"))
    fleet = Fleet(folder)
    start = time.monotonic()
    try:
        scene("a broker, a controller and four agents")
        fleet.up()
        fleet.join(4, GROUP)
        scene("crop-model 1.0.0: quantize, compile, sign, deliver, test, switch")
        push(fleet, "crop-model", "--project", MODULES / "crop-model")
        upgrade_under_load(fleet)
        scene("1.2.0: only the head of the network changed")
        push(fleet, "crop-model", "--project", project(fleet, "crop-model", "1.2.0", "versions/1.2.0.onnx"))
        tampered_chunk(fleet)
        wrong_key(fleet)
        large_model(fleet)
        scene("how the fleet stands")
        fleet.fleet("status")
    except (RuntimeError, TimeoutError) as error:
        print(f"\nthe demonstration failed: {error}\nlogs are in {folder}", file=sys.stderr)
        options.keep = True
        sys.exit(1)
    finally:
        fleet.down()
        if not options.keep:
            shutil.rmtree(folder)
    print(f"\ndone in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
