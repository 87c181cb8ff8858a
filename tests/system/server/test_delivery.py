"""The controller and simulated devices over real brokers."""

import hashlib
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from protocol import api, cose, topics
from protocol.documents import NonceAnswer, Report
from protocol.trust import NONCE, REPORT
from tests.support.director import wait_until
from tests.support.server import MqttDevice, Server
from tests.system.server.conftest import Site

pytestmark = pytest.mark.broker


def confirm(device: MqttDevice, release: api.Release) -> None:
    """Wait for the assignment and say that it was carried out."""
    wanted = bytes.fromhex(release.manifest)

    def is_assigned() -> bool:
        desired = device.fake.assignment(int(time.time())).models.get(release.model)
        return desired is not None and desired.manifest == wanted

    wait_until(is_assigned, f"{device.name} is assigned {release.version}")
    device.fake.tell(release, "confirmed")


def ended(server: Server, number: int) -> api.Rollout:
    """The rollout at its end, by long polls."""
    after = 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = server.ask("GET", f"rollouts/{number}", params={"after": after, "wait": 5})
        found = api.Rollout.model_validate_json(json.dumps(answer))
        if found.ended is not None:
            return found
        after = found.revision
    raise TimeoutError(f"rollout {number} did not end: {found}")


def test_a_push_through_the_broker(site: Site) -> None:
    devices = [site.join(f"dev-{number}", "farm-a") for number in range(3)]
    release = site.server.release("1.0.0", 1)
    shelf = site.listen("shelf", "fleet/v1/chunk/+", "fleet/v1/manifest/+", "fleet/v1/root/+")
    number = site.server.push(release)
    for device in devices:
        confirm(device, release)
    assert ended(site.server, number).state == "done"
    wait_until(lambda: topics.manifest(bytes.fromhex(release.manifest)) in shelf.seen, "manifest arrives")
    wait_until(lambda: len([t for t in shelf.seen if "/chunk/" in t]) >= release.modules[0].chunks, "chunks")
    for topic, payload in shelf.seen.items():
        if "/chunk/" in topic:
            assert hashlib.sha256(payload).hexdigest() == topic.rsplit("/", 1)[1]


def test_forged_and_replayed_reports(site: Site) -> None:
    device = site.join("dev-1", "farm-a")
    attacker = site.listen("attacker")
    topic = topics.device("dev-1", "reported")
    old = device.fake.signed_report()
    forged = Report(device="dev-1", boot=9, sequence=9, root=1, generation=77, stale=False)
    device.fake.report()

    def dropped(word: str) -> bool:
        events = site.server.ask("GET", "events", params={"device": "dev-1"})
        return any("dropped" in event["text"] and word in event["text"] for event in events)

    attacker.publish(topic, device.fake.authenticate(REPORT, forged.encode(), bytes(32)))
    wait_until(lambda: dropped("authentication tag"), "the forgery is noticed")
    attacker.publish(topic, old)
    device.fake.report(stale=True)
    wait_until(lambda: site.server.device("dev-1").stale, "the true report after them is believed")
    assert site.server.device("dev-1").reported_generation == 0


def test_what_an_attacker_clears_is_published_again(site: Site) -> None:
    device = site.join("dev-1", "farm-a")
    release = site.server.release("1.0.0", 1)
    shelf = site.listen("shelf", "fleet/v1/chunk/+")
    site.server.push(release)
    confirm(device, release)
    chunk = wait_until(lambda: next(iter(shelf.seen), None), "a chunk")
    shelf.publish(chunk, b"")
    wait_until(lambda: shelf.seen[chunk] == b"", "the chunk is gone")
    device.fake.report(missing=(bytes.fromhex(chunk.rsplit("/", 1)[1]),))
    wait_until(lambda: shelf.seen[chunk] != b"", "the chunk is back")


def test_a_nonce_is_answered(site: Site) -> None:
    device = site.join("dev-1", "farm-a")
    nonce = bytes(range(16))
    device.say("nonce", nonce)
    answer = wait_until(lambda: device.seen.get(topics.device("dev-1", "time")), "the time")
    public = site.server.keys.director.public
    told = NonceAnswer.decode(cose.open1(NONCE, answer, {public.id: public}, max_payload=512))
    assert told.nonce == nonce


def test_two_pushes_at_once(site: Site) -> None:
    device = site.join("dev-1", "farm-a")
    releases = [site.server.release("1.0.0", 1), site.server.release("1.1.0", 2)]
    numbers: dict[int, api.Release] = {}
    barrier = threading.Barrier(2)

    def push(release: api.Release) -> None:
        barrier.wait(10)
        numbers[site.server.push(release)] = release

    threads = [threading.Thread(target=push, args=(release,)) for release in releases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    first, last = sorted(numbers)
    confirm(device, numbers[last])
    assert ended(site.server, last).state == "done"
    assert ended(site.server, first).state == "superseded"


def test_a_broker_that_comes_back_empty_is_given_everything_again(site: Site) -> None:
    server = site.server
    device = site.join("dev-1", "farm-a")
    release = server.release("1.0.0", 1)
    number = server.push(release)
    confirm(device, release)
    assert ended(server, number).state == "done"
    _lose_storage(site)
    shelf = site.listen("shelf", "fleet/v1/#")
    manifest = topics.manifest(bytes.fromhex(release.manifest))
    needed = {topics.root(1), manifest, topics.device("dev-1", "desired")}
    wait_until(lambda: needed <= shelf.seen.keys(), "root, manifest and assignment are back", 30)
    wait_until(lambda: len([t for t in shelf.seen if "/chunk/" in t]) >= release.modules[0].chunks, "chunks")
    assert server.broker_state() == "connected"
    # And the work goes on.
    second = server.release("1.1.0", 2)
    number = server.push(second)
    confirm(device, second)
    assert ended(server, number).state == "done"


def test_a_push_while_the_broker_is_down_goes_out_when_it_is_back(site: Site) -> None:
    server = site.server
    device = site.join("dev-1", "farm-a")
    release = server.release("1.0.0", 1)
    if site.broker is not None:
        site.broker.kill()
        wait_until(lambda: server.broker_state() == "away", "health says that the broker is away")
    else:
        (pid,) = _children(server)
        os.kill(pid, signal.SIGKILL)
    number = server.push(release)
    if site.broker is not None:
        site.broker.start()
    confirm(device, release)
    assert ended(server, number).state == "done"


def _lose_storage(site: Site) -> None:
    """Kill the broker, take away what it stored, and see it come back."""
    server = site.server
    if site.broker is not None:
        site.broker.kill()
        wait_until(lambda: server.broker_state() == "away", "health says that the broker is away")
        (site.broker.folder / "mosquitto.db").unlink(missing_ok=True)
        site.broker.start()
    else:
        (pid,) = _children(server)
        os.kill(pid, signal.SIGKILL)
        shutil.rmtree(server.folder / "broker" / "jetstream")
        wait_until(lambda: server.broker_state() == "away", "health says that the broker is away")
    wait_until(lambda: server.broker_state() == "connected", "the broker is back", 30)


def _children(server: Server) -> list[int]:
    assert server.process is not None
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def test_a_restarted_controller_forgets_nothing(site: Site) -> None:
    devices = [site.join(f"dev-{number}", "farm-a") for number in range(2)]
    release = site.server.release("1.0.0", 1)
    number = site.server.push(release)
    site.server.stop(signal.SIGKILL)
    site.server.start()
    for device in devices:
        confirm(device, release)
    assert ended(site.server, number).state == "done"
