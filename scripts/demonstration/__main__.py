"""The demonstration, scene by scene."""

import argparse
import re
import shutil
import sys
import tempfile
import time
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
            show_refusal(fleet, agent, "other bytes")
    print(f"the chunk was overwritten {attacker.count} times; now the attacker leaves, and the fleet heals:")
    wait_until(lambda: running(fleet) == {"1.3.0"}, "the true chunk reaches all devices", 60)
    print("  all four run crop-model 1.3.0, from the bytes that were signed")


def running(fleet: Fleet) -> set[str | None]:
    """Versions of crop-model that the devices confirmed."""
    models = [fleet.json("devices", agent.name)["models"] for agent in fleet.agents]
    found = [model.get("crop-model") for model in models if isinstance(model, dict)]
    return {model["running"] if model and model["state"] == "confirmed" else None for model in found}


def wrong_key(fleet: Fleet) -> None:
    """Someone stole the director's key, but not the release key."""
    scene("attack: a thief with the director's key assigns a release that the wrong key has signed")
    generations = {
        agent.name: int(str(fleet.json("devices", agent.name)["generation"])) for agent in fleet.agents
    }
    manifest = bytes.fromhex(str(fleet.json("release", "show", "crop-model", "1.3.0")["manifest"]))
    key = fleet.folder / "data/fleet/controller/director.key"
    with fleet.frozen_controller():
        rogue = forge_release(fleet.mqtt_port, key, manifest, generations).public.id.hex()
        print("while the controller hangs; what fleet-agent status says on each device:")
        for agent in fleet.agents:
            wait_until(lambda agent=agent: rogue in agent.says(), f"{agent.name} refuses key {rogue}")
            print(f"  {' '.join(agent.says().split())}", flush=True)
    print("the controller wakes, and signs above the forged generation:")
    wait_until(lambda: running(fleet) == {"1.3.0"}, "all devices are back on the true assignment", 60)
    print("  all four are on crop-model 1.3.0, confirmed; none ever stopped serving it")


def show_refusal(fleet: Fleet, agent: Agent, word: str) -> None:
    """Wait until the device has said why it refused, and show that."""
    told: list[str] = []

    def refused() -> bool:
        events = fleet.json("why", agent.name)["events"]
        texts = [str(event["text"]) for event in events] if isinstance(events, list) else []
        told[:] = [text for text in texts if word in text]
        return bool(told)

    wait_until(refused, f"{agent.name} says why it refused ({word})")
    print(f"  {agent.name}  {told[-1]}", flush=True)


def large_model(fleet: Fleet) -> None:
    """A module of more than half a megabyte: progress, resume after a power cut, deduplication."""
    scene("a second, larger model: text direction, float32; one agent loses power on the way")
    victim = fleet.agents[0]
    fleet.fleet("push", "text-direction", "--group", GROUP, "--observe", "20,2s", "--detach")
    wait_until(lambda: fetched(fleet, victim) > 0, f"{victim.name} has begun to fetch", 60)
    victim.kill()
    print(f"kill -9 {victim.name} in the middle of its fetch; it starts again", flush=True)
    victim.start()
    push(fleet, "text-direction")
    scene("the same weights as 1.0.1: what is on the devices already is not sent again")
    push(fleet, "text-direction", "--project", project(fleet, "text-direction", "1.0.1"))


def fetched(fleet: Fleet, agent: Agent) -> int:
    """Bytes of the text-direction module that the agent says it has."""
    models = fleet.json("devices", agent.name)["models"]
    report = models.get("text-direction", {}).get("report") if isinstance(models, dict) else None
    return int(report["have"]) if report else 0


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
