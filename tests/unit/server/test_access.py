"""Who may do what at the controller, what is written down of it, and who has to wait."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from httpx import Client
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from controller.api import failures, make_app
from controller.api.failures import ALLOWED, REFILL, FailureLimit
from protocol import access
from protocol.access import Role
from protocol.audit import Head, follow
from tests.support.asgi import client as client_of
from tests.support.fleet import FakeDevice, Fleet

OWNER = "the owner's token in tests"
V1 = "/api/v1"
ROLES = [role.text for role in Role]
NEEDED = {
    "viewer": {"GET"},
    "operator": {
        "POST /devices", "DELETE /devices/{name}", "PUT /devices/{name}/labels",
        "POST /devices/{name}/profiles",
        "PATCH /groups/{name}", "DELETE /groups/{name}", "POST /pushes", "POST /rollbacks", "POST /removals",
        "POST /rollouts/{number}/{action}", "POST /apps", "DELETE /apps/{name}",
    },
    "release-manager": {
        "POST /releases/reserve", "POST /blobs/missing", "PUT /blobs/{digest}", "POST /releases",
        "POST /releases/{model}/{version}/withdraw", "GET /releases/{model}/{version}/content-key",
    },
    "owner": {"POST /roots", "POST /director/next", "POST /tokens", "GET /tokens", "DELETE /tokens/{name}"},
}  # fmt: skip


class Clock:
    """Seconds that a test lets pass."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Clock:
    return Clock()


@pytest.fixture
def client(fleet: Fleet, ticks: Clock) -> Iterator[Client]:
    with client_of(make_app(fleet.service, OWNER, ticks), OWNER) as made:
        yield made


def create(client: Client, name: str, role: str, **more: Any) -> str:
    answer = client.post(f"{V1}/tokens", json={"name": name, "role": role, **more})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def ask(client: Client, token: str, method: str, path: str, **more: Any) -> Any:
    return client.request(method, V1 + path, headers={"authorization": f"Bearer {token}"}, **more)


def log(client: Client) -> list[access.AuditEntry]:
    return access.AuditPage.model_validate_json(client.get(f"{V1}/audit").content).items


def test_every_endpoint_asks_for_its_role_and_no_less(client: Client) -> None:
    tokens = {role: create(client, f"a-{role}", role) for role in ROLES}
    paths = client.get("/openapi.json").json()["paths"]
    values = {"name": "a", "number": 1, "digest": "0" * 64, "identity": "0" * 32, "model": "a"}
    seen = set()
    for path, methods in paths.items():
        short = path.removeprefix(V1)
        for method in (name.upper() for name in methods):
            if path == "/health" or short.endswith(("/claim", "/certificate")):
                continue
            words = f"{method} {short}"
            needed = next((role for role in ROLES if words in NEEDED[role]), "viewer")
            assert needed != "viewer" or method == "GET", words
            seen.add(words)
            url = short.format(version="1", action="stop", **values)
            for role, token in tokens.items():
                answer = ask(client, token, method, url)
                told = "this takes" in answer.text
                assert told == (ROLES.index(role) < ROLES.index(needed)), f"{role} {words}: {answer.text}"
    assert set().union(*NEEDED.values()) - {"GET"} <= seen


def test_a_token_works_until_it_is_revoked_or_expires(client: Client, fleet: Fleet) -> None:
    alice, bob = create(client, "alice", "viewer"), create(client, "bob", "viewer", days=1)
    assert alice.startswith("fleet_")
    assert ask(client, alice, "GET", "/me").json() == {"name": "alice", "role": "viewer"}
    assert client.delete(f"{V1}/tokens/alice").status_code == 204
    assert ask(client, alice, "GET", "/me").status_code == 401
    assert ask(client, bob, "GET", "/me").status_code == 200
    fleet.now += 86400
    assert ask(client, bob, "GET", "/me").status_code == 401
    assert client.delete(f"{V1}/tokens/alice").status_code == 404


def test_a_name_is_taken_once_and_secrets_are_nowhere(client: Client, fleet: Fleet) -> None:
    secret = create(client, "alice", "operator")
    for name in ("alice", "owner"):
        assert client.post(f"{V1}/tokens", json={"name": name, "role": "viewer"}).status_code == 409
    listed = client.get(f"{V1}/tokens")
    assert [token["name"] for token in listed.json()] == ["alice"]
    assert secret not in listed.text
    fleet.store.close()
    files = list(fleet.folder.glob("fleet.db*"))
    assert files
    assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_the_last_use_is_remembered(client: Client, fleet: Fleet) -> None:
    secret = create(client, "alice", "viewer")
    assert client.get(f"{V1}/tokens").json()[0]["last_used"] is None
    fleet.now += 500
    ask(client, secret, "GET", "/me")
    assert client.get(f"{V1}/tokens").json()[0]["last_used"] == fleet.now


def test_a_repeated_request_is_answered_from_memory_to_the_same_caller_alone(client: Client) -> None:
    alice, bob = create(client, "alice", "operator"), create(client, "bob", "operator")
    body, key = {"name": "dev-1"}, {"idempotency-key": "k"}
    first = client.post(f"{V1}/devices", json=body, headers=key | {"authorization": f"Bearer {alice}"})
    again = client.post(f"{V1}/devices", json=body, headers=key | {"authorization": f"Bearer {alice}"})
    other = client.post(f"{V1}/devices", json=body, headers=key | {"authorization": f"Bearer {bob}"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert first.content == again.content


def test_what_each_changed_is_in_the_log_once(client: Client, fleet: Fleet) -> None:
    alice = create(client, "alice", "operator")
    ask(
        client,
        alice,
        "POST",
        "/devices",
        json={"name": "dev-1"},
    )
    ask(client, alice, "PUT", "/devices/dev-1/labels", json={"labels": {"site": "north"}})
    ask(client, alice, "PATCH", "/groups/farm-a", json={"add": ["dev-1"]})
    fleet.release("1.0.0")
    push = {"model": "crop-model", "group": "farm-a", "version": "1.0.0"}
    assert ask(client, alice, "POST", "/pushes", json=push | {"dry_run": True}).status_code == 200
    assert ask(client, alice, "POST", "/pushes", json=push).status_code == 201
    assert (
        ask(client, alice, "POST", "/removals", json={"model": "crop-model", "group": "farm-a"}).status_code
        == 201
    )
    assert ask(client, alice, "POST", "/devices", json={"name": "dev-1"}).status_code == 409
    found = [(entry.who, entry.action, entry.text.split(", sha256")[0]) for entry in log(client)]
    assert found == [
        ("owner", "token", "created alice, operator, for 365 days"),
        ("alice", "enroll", "dev-1 of class linux"),
        ("alice", "label", "dev-1: site=north"),
        ("alice", "group", "farm-a: + dev-1"),
        ("controller", "release", "crop-model 1.0.0, sequence 1"),
        ("alice", "push", "crop-model 1.0.0 to farm-a, rollout 1"),
        ("alice", "remove", "crop-model 1.0.0 from farm-a, rollout 2"),
    ]
    assert follow(Head(), log(client)).number == 7


def test_a_change_that_fails_leaves_no_entry(client: Client, fleet: Fleet, monkeypatch: Any) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("after the entry was written")

    monkeypatch.setattr(fleet.service.groups, "_catch_up", fail)
    client.post(f"{V1}/devices", json={"name": "dev-1"})
    before = log(client)
    assert client.patch(f"{V1}/groups/farm-a", json={"add": ["dev-1"]}).status_code == 500
    assert log(client) == before
    assert client.get(f"{V1}/groups").json() == []


@pytest.mark.parametrize("change", ["UPDATE audit SET text = 'x'", "DELETE FROM audit WHERE id = 1"])
def test_the_database_keeps_the_log_append_only(client: Client, fleet: Fleet, change: str) -> None:
    create(client, "alice", "viewer")
    with pytest.raises(DatabaseError, match="append-only"), fleet.store.engine.begin() as connection:
        connection.execute(text(change))
    with sqlite3.connect(fleet.folder / "fleet.db") as other, pytest.raises(sqlite3.DatabaseError):
        other.execute(change)
    other.close()
    assert len(log(client)) == 1


def test_wrong_tokens_are_slowed_down_and_written_down(client: Client, ticks: Clock) -> None:
    unused = create(client, "alice", "viewer")
    for _ in range(ALLOWED):
        assert ask(client, "wrong", "GET", "/me").status_code == 401
    refused = ask(client, "wrong", "GET", "/me")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "6"
    assert "try again in 6 s" in refused.json()["remedy"]
    assert client.get("/health").status_code == 200
    assert client.get(f"{V1}/me").status_code == 200, "who was let in before is not locked out by others"
    assert ask(client, unused, "GET", "/me").status_code == 429, "nobody knows yet that it is no guess"
    ticks.now += REFILL
    assert ask(client, unused, "GET", "/me").status_code == 200
    assert ask(client, "wrong", "GET", "/me").status_code == 401, "a right token costs no attempt"
    assert ask(client, "wrong", "GET", "/me").status_code == 429
    entries = [entry for entry in log(client) if entry.action == "refused"]
    assert len(entries) == ALLOWED + 1
    assert "wrong" in entries[0].text
    assert "127.0.0.1" in entries[0].text


def test_invitations_cannot_be_guessed_either(client: Client, fleet: Fleet) -> None:
    invitation = fleet.enrol("dev-1")
    device = FakeDevice("dev-1", print, lambda: None)
    client.headers.pop("authorization")
    for index in range(ALLOWED + 1):
        body = {"token": f"{index:043}", "public_key": device.public}
        answer = client.post(f"{V1}/devices/dev-1/claim", json=body)
        assert answer.status_code == (403 if index < ALLOWED else 429)
    body = {"token": invitation.token, "public_key": device.public}
    assert client.post(f"{V1}/devices/dev-1/claim", json=body).status_code == 429


class TestFailureLimit:
    def test_addresses_wait_by_themselves_and_networks_of_ipv6_together(self) -> None:
        clock = Clock()
        limit = FailureLimit(clock)
        for _ in range(ALLOWED):
            assert limit.attempt("10.0.0.1") == 0
            assert limit.attempt("2001:db8::1") == 0
        assert limit.attempt("10.0.0.1") == pytest.approx(REFILL)
        assert limit.attempt("10.0.0.2") == 0
        assert limit.attempt("2001:db8::ffff:1") > 0
        assert limit.attempt("2001:db8:0:1::1") == 0
        limit.was_right("10.0.0.1")
        assert limit.attempt("10.0.0.1") == 0
        clock.now += REFILL * ALLOWED * 2
        assert [limit.attempt("10.0.0.1") for _ in range(ALLOWED)] == [0] * ALLOWED
        assert limit.attempt("10.0.0.1") > 0

    def test_it_remembers_so_many_and_no_more(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(failures, "ADDRESSES", 3)
        limit = FailureLimit(Clock())
        for address in range(10):
            limit.attempt(f"10.0.0.{address}")
        assert len(limit._buckets) == 3
