"""The life of keys, with real processes: controller, broker, agents, and commands as a person types them."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from protocol import cose, topics
from protocol.documents import Assignment
from protocol.keys import SoftwareKey
from protocol.trust import ASSIGNMENT
from scripts.demonstration.fleet import wait_until
from tests.support.brokers import Broker
from tests.support.owner import Holder, Owner, said
from tests.support.server import Listener
from tests.support.tokens import LIBRARY, PIN, TOKEN, make_token

pytestmark = pytest.mark.broker


@pytest.fixture
def owner(tmp_path):
    """A fleet of one device on the embedded broker, which runs crop-model 1.0.0."""
    owner = Owner(tmp_path)
    try:
        owner.up()
        owner.join(1, "farm")
        owner.release("1.0.0")
        done = owner.push("1.0.0")
        assert done.returncode == 0, done.stdout + done.stderr
        yield owner
    finally:
        owner.down()


def desired(agent, key, **change):
    """An assignment by whoever has `key`."""
    now = int(time.time())
    document = Assignment(
        device=agent.name, generation=1, models={}, min_root=1, issued=now, expires=now + 3600
    ).model_copy(update=change)
    return cose.sign(ASSIGNMENT, document.encode(), [key])


def seed_key(path):
    return SoftwareKey.from_seed(bytes.fromhex(path.read_text()))


def test_a_device_that_slept_through_ten_root_rotations_catches_up_alone(tmp_path):
    """From what the broker retains: the controller is not there when the device wakes."""
    broker = Broker("mosquitto", tmp_path / "broker").start()
    owner = Owner(tmp_path, broker.port)
    try:
        owner.up()
        owner.join(1, "farm")
        owner.release("1.0.0")
        assert owner.push("1.0.0").returncode == 0
        [sleeper] = owner.agents
        first = owner.wait_running(sleeper, "1.0.0")
        sleeper.stop()
        for role in ("director", "release", "root", "release", "director", "root", "root", "release",
                     "director", "root"):  # fmt: skip
            rotated = owner.run("keys", "rotate", role)
            assert rotated["complete"]
        assert rotated["root"] == 11
        owner.release("1.1.0", key=2)
        assert owner.push("1.1.0", "--detach").returncode == 0
        owner.stop_server()
        sleeper.start()
        now = owner.wait_running(sleeper, "1.1.0")
        assert (first["root"], now["root"]) == (1, 11)
        assert now.get("fault") is None
    finally:
        owner.down()
        broker.stop()


def test_a_stolen_director_key_is_revoked_and_refused(owner):
    """The thief counts far ahead first; the owner's next assignment is taken all the same."""
    [agent] = owner.agents
    stolen = seed_key(owner.home / "director.key")
    thief = Listener(owner.mqtt_port, "thief").connect()
    topic = topics.device(agent.name, "desired")
    try:
        thief.publish(topic, desired(agent, stolen, generation=1 << 60))
        wait_until(lambda: not said(agent)["models"], "the thief has emptied the device")

        done = owner.run("keys", "revoke", stolen.public.id.hex())
        assert done["complete"]
        changes = {(key["role"], key["change"]) for key in done["documents"][0]["keys"]}
        assert ("director", "goes") in changes
        assert ("director", "new") in changes
        assert any("generations count from 0" in line for line in done["documents"][0]["means"])
        state = owner.wait_running(agent, "1.0.0")
        assert state["root"] == 2
        assert state["generation"] < 1 << 60

        thief.publish(topic, desired(agent, stolen, generation=(1 << 60) + 1, min_root=2))
        wait_until(lambda: (said(agent).get("fault") or {}).get("code") == "signature", "it is refused")
        assert stolen.public.id.hex() in said(agent)["fault"]["text"]
        assert said(agent)["models"]["crop-model"]["running"]["version"] == "1.0.0"
        assert not (owner.home / "director-next.key").exists()
        assert stolen.seed.hex() not in (owner.home / "director.key").read_text()
    finally:
        thief.close()


def test_all_online_keys_are_lost_and_replaced(owner):
    """The director's and the release key are gone; the root key, which was offline, makes new ones."""
    [agent] = owner.agents
    owner.stop_server()
    (owner.home / "director.key").unlink()
    [release] = owner.desk.folder.glob("release-*.key")
    release.unlink()
    refused = owner.try_fleet("up")
    assert refused.returncode == 3
    assert "fleet keys rotate director --data" in refused.stderr

    assert owner.run("keys", "rotate", "director", "--data", owner.home)["complete"]
    owner.start_server()
    assert owner.run("keys", "rotate", "release")["complete"]
    wait_until(lambda: said(agent)["root"] == 3, "the device follows both roots")
    owner.release("1.1.0", key=2)
    done = owner.push("1.1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    # What the lost key had signed was signed anew, so newcomers and rollbacks can have it.
    back = owner.try_fleet("rollback", "crop-model", "--group", "farm", "--observe", "3,1s")
    assert back.returncode == 0, back.stdout + back.stderr
    owner.wait_running(agent, "1.0.0")


def test_the_release_key_is_rotated_while_a_rollout_runs(owner):
    """One device has taken the release before the rotation, the other takes it after."""
    owner.join(1, "farm", first=2)
    late = owner.agents[1]
    owner.wait_running(late, "1.0.0")
    owner.release("1.1.0", key=2)
    late._process.send_signal(signal.SIGSTOP)
    try:
        assert owner.push("1.1.0", "--detach").returncode == 0
        owner.wait_running(owner.agents[0], "1.1.0")
        rotated = owner.run("keys", "rotate", "release")
        assert [document["kind"] for document in rotated["documents"]] == ["root", "manifest", "manifest"]
        changes = sorted(owner.json("audit", "list"), key=lambda entry: entry["number"])
        # The releases first: a device that has the new root already must not meet an old signature.
        assert [change["action"] for change in changes][-3:] == ["sign", "sign", "root"]
    finally:
        late._process.send_signal(signal.SIGCONT)
    assert owner.wait_running(late, "1.1.0")["root"] == 2
    wait_until(lambda: owner.json("rollout", "list")[0]["state"] == "done", "the rollout is done")
    assert [release["signers"] for release in owner.json("release", "list")] == [
        [owner.desk.root().roles["release"].keys[0].hex()]
    ] * 2


def test_a_release_made_while_the_next_root_waits_for_signatures(owner):
    """It is signed by the new release key, too, when the root comes back."""
    root_key = owner.desk.folder / "root.key"
    root_key.rename(owner.folder / "away.key")
    assert not owner.run("keys", "rotate", "release")["complete"]
    owner.release("1.1.0", key=2)
    (owner.folder / "away.key").rename(root_key)
    assert owner.run("sign", "--offline", "--yes", "root-2.sign")["complete"]
    assert owner.run("sign", "root-2.sign")["complete"]
    done = owner.push("1.1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert owner.wait_running(owner.agents[0], "1.1.0")["root"] == 2


def test_a_revoked_release_key_installs_nothing_until_a_person_signs_anew(owner):
    old = owner.desk.root().roles["release"].keys[0].hex()
    assert owner.run("keys", "revoke", old[:6])["complete"]
    wait_until(lambda: said(owner.agents[0])["root"] == 2, "the new root has arrived")
    assert said(owner.agents[0])["models"]["crop-model"]["running"]["version"] == "1.0.0"
    refused = owner.push("1.0.0")
    assert refused.returncode == 5
    assert "fleet release sign crop-model 1.0.0" in refused.stderr
    nobody = owner.try_fleet("release", "sign", "crop-model", "1.0.0")
    assert nobody.returncode == 5
    assert "nobody is here" in nobody.stderr
    assert owner.run("release", "sign", "crop-model", "1.0.0", "--yes")["complete"]
    assert owner.push("1.0.0").returncode == 0


def test_two_of_three_holders_sign_roots_offline(tmp_path):
    """Three people with a key each, on machines without network; two of them suffice, one does not."""
    owner = Owner(tmp_path)
    holders = [Holder(name, tmp_path) for name in ("alice", "bob", "carol")]
    alice, bob, carol = holders
    publics = [word for holder in holders for word in ("--root", holder.new_key())]
    try:
        begun = owner.run("keys", "init", *publics, "--threshold", "root=2")
        assert not begun["complete"]
        assert owner.try_fleet("up").returncode == 3
        carry(tmp_path / "root-1.sign", alice)
        carry(tmp_path / "root-1.sign", bob)
        assert owner.run("sign", *(holder.folder / "root-1.sign" for holder in (alice, bob)))["complete"]
        owner.start_server()
        owner.join(1, "farm")
        [agent] = owner.agents
        wait_until(lambda: said(agent)["connected"], "the device is connected")

        rotated = owner.run("keys", "rotate", "director")
        assert (rotated["complete"], rotated["file"]) == (False, "root-2.sign")
        carry(tmp_path / "root-2.sign", carol)
        one = owner.try_fleet("sign", carol.folder / "root-2.sign")
        assert one.returncode == 0
        assert "1 signature missing" in one.stdout
        assert said(agent)["root"] == 1
        carry(carol.folder / "root-2.sign", alice)
        assert owner.run("sign", alice.folder / "root-2.sign")["complete"]
        wait_until(lambda: said(agent)["root"] == 2, "the device has followed")
        assert owner.run("keys", "show")["roles"]["root"]["threshold"] == 2
    finally:
        owner.down()


@pytest.fixture
def token(tmp_path):
    """What commands need in their environment to reach a PKCS#11 token."""
    pin = tmp_path / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)
    return {"SOFTHSM2_CONF": make_token(tmp_path / "hsm"), "FLEET_PASSPHRASE_FILE": str(pin)}


def test_release_and_director_keys_live_in_a_token(owner, token):
    """ES256 for releases, as smart cards have it; Ed25519 for the director; a newcomer believes both."""
    inside = ("--pkcs11", LIBRARY, "--token", TOKEN)
    made = owner.run("keys", "new", "release-card", *inside, "--es256", **token)
    assert (made["algorithm"], made["form"]) == ("es256", "token")
    refused = owner.try_fleet("keys", "rotate", "release", "--key", "release-card.pub", **token)
    assert refused.returncode == 3
    assert "a board could not verify role release" in refused.stderr
    rotate = ("keys", "rotate", "release", "--key", "release-card.pub", "--linux-only")
    assert owner.run(*rotate, **token)["complete"]

    owner.stop_server()
    owner.run("keys", "new", "director-next", *inside, "--data", owner.home, **token)
    rotate = ("keys", "rotate", "director", "--key", "director-next.pub", "--data", owner.home)
    assert owner.run(*rotate)["complete"]
    assert owner.try_fleet("up").returncode == 3, "the token wants its PIN"
    owner.env |= token
    owner.start_server()
    assert not (owner.home / "director-next.key").exists()
    refused = owner.try_fleet("keys", "rotate", "director")
    assert refused.returncode == 3
    assert "in a token" in refused.stderr

    owner.join(1, "farm", first=2)
    assert owner.push("1.0.0").returncode == 0
    assert [owner.wait_running(agent, "1.0.0")["root"] for agent in owner.agents] == [3, 3]


def test_an_encrypted_directors_key(owner, tmp_path):
    """The controller unlocks it from a file; its successor is encrypted, too."""
    secret = tmp_path / "secret"
    secret.write_text("the controller starts by itself\n")
    secret.chmod(0o600)
    owner.stop_server()
    owner.run("keys", "protect", "director", "--data", owner.home, "--new-passphrase-file", secret)
    refused = owner.try_fleet("up")
    assert refused.returncode == 3
    assert "director is encrypted" in refused.stderr
    owner.env["FLEET_PASSPHRASE_FILE"] = str(secret)
    owner.start_server()
    before = (owner.home / "director.key").read_text()
    assert owner.run("keys", "rotate", "director")["complete"]
    wait_until(lambda: said(owner.agents[0])["root"] == 2, "the device has followed")
    after = json.loads((owner.home / "director.key").read_text())
    assert after["public"] != json.loads(before)["public"]
    assert "sealed" in after


def carry(file: Path, holder: Holder) -> None:
    """Take a file to a holder, who reads and signs it there."""
    place = holder.folder / file.name
    shutil.copy(file, place)
    done = holder.fleet("sign", "--offline", "--yes", place)
    assert done.returncode == 0, done.stderr
    assert "CHANGE" in done.stdout
    assert f"root-{holder.name}" in done.stdout
    again = holder.fleet("sign", "--offline", "--yes", place)
    assert again.returncode == 3, "a key signs once"
    assert json.dumps(holder.secret.read_text().strip()) not in done.stdout + done.stderr
    assert not os.access(holder.folder / "data", os.F_OK)
