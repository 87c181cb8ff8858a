"""The HTTP API: who may ask, what is answered to nonsense, and what a repeated request does."""

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from httpx import Client

from controller.api import make_app
from protocol import api
from tests.support.asgi import client as client_of
from tests.support.fake_module import FakeModule
from tests.support.fleet import FakeDevice, Fleet, pack

TOKEN = "a token for tests"  # noqa: S105 - opens nothing but this test's controller


@pytest.fixture
def client(fleet: Fleet) -> Iterator[Client]:
    ticks = itertools.count(step=60)
    with client_of(make_app(fleet.service, TOKEN, ticks.__next__), TOKEN) as made:
        yield made


def problem(answer: Any, status: int, exit_code: int | None = None) -> api.Problem:
    """The problem an answer carries, which must be of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = api.Problem.model_validate_json(answer.content)
    assert found.status == status
    assert exit_code is None or found.exit_code == exit_code
    return found


class TestToken:
    @pytest.mark.parametrize("sent", ["", "Bearer", "Bearer wrong", TOKEN, "Basic abc", "Bearer ä".encode()])
    def test_every_endpoint_asks_for_it(self, client: Client, sent: str | bytes) -> None:
        client.headers.pop("authorization")
        open_to_all = {"/health", *(f"/api/v1/devices/{{name}}/{what}" for what in ("claim", "certificate"))}
        paths = client.get("/openapi.json").json()["paths"]
        assert open_to_all < paths.keys()
        for path, methods in paths.items():
            for method in methods.keys() - (methods.keys() if path in open_to_all else set()):
                values = {"name": "a", "number": 1, "digest": "0" * 64, "identity": "0" * 32, "model": "a"}
                url = path.format(version="1", action="stop", **values)
                answer = client.request(method, url, headers={"authorization": sent})
                problem(answer, 401, 5)

    def test_health_does_not(self, client: Client) -> None:
        client.headers.pop("authorization")
        assert client.get("/health").json()["status"] == "ok"

    def test_a_claim_has_its_own(self, client: Client, fleet: Fleet) -> None:
        client.headers.pop("authorization")
        invitation = fleet.enrol("dev-1")
        device = FakeDevice("dev-1", print, lambda: None)
        body = {"token": invitation.token, "public_key": device.public}
        claimed = client.post("/api/v1/devices/dev-1/claim", json=body)
        assert claimed.status_code == 200
        body = body | {"token": "x" * 43}
        problem(client.post("/api/v1/devices/dev-1/claim", json=body), 403, 5)

    def test_a_renewal_has_a_mac(self, client: Client, fleet: Fleet) -> None:
        client.headers.pop("authorization")
        fleet.join("dev-1")
        for renewal in ("", "00", "d18440a04040"):
            answer = client.post("/api/v1/devices/dev-1/certificate", json={"renewal": renewal})
            problem(answer, 403, 5)
        problem(client.post("/api/v1/devices/dev-9/certificate", json={"renewal": ""}), 403, 5)


class TestErrors:
    def test_not_found(self, client: Client) -> None:
        for path in ("devices/x", "groups/x", "releases/x/1", "rollouts/7", "roots/9", "roots/x", "nothing",
                     f"roots/{'9' * 5000}", f"blobs/{'0' * 64}",
                     "devices/x/why", "devices?group=x"):  # fmt: skip
            problem(client.get(f"/api/v1/{path}"), 404, 3)

    def test_what_is_refused_says_so(self, client: Client, fleet: Fleet) -> None:
        fleet.release("1.0.0", key=1)
        body = {"model": "crop-model", "version": "1.0.0", "content": "0" * 64}
        found = problem(client.post("/api/v1/releases/reserve", json=body), 403, 5)
        assert "exists with other content" in found.title
        assert found.remedy

    def test_conflicts(self, client: Client) -> None:
        body = {"name": "dev-1"}
        assert client.post("/api/v1/devices", json=body).status_code == 201
        found = problem(client.post("/api/v1/devices", json=body), 409)
        assert "fleet unenroll dev-1" in str(found.remedy)

    def test_a_wrong_method(self, client: Client) -> None:
        problem(client.delete("/api/v1/status"), 405)

    def test_an_unknown_field_is_named(self, client: Client) -> None:
        found = problem(client.post("/api/v1/devices", json={"name": "a", "nam": "b"}), 422, 3)
        assert "nam" in str(found.detail)


class TestBlobs:
    def test_there_and_back(self, client: Client) -> None:
        data = bytes(range(256)) * 300
        name = hashlib.sha256(data).hexdigest()
        assert client.post("/api/v1/blobs/missing", json={"digests": [name]}).json()["digests"] == [name]
        assert client.put(f"/api/v1/blobs/{name}", content=data).status_code == 204
        assert client.post("/api/v1/blobs/missing", json={"digests": [name]}).json()["digests"] == []
        assert client.get(f"/api/v1/blobs/{name}").content == data

    def test_other_bytes_are_refused(self, client: Client) -> None:
        problem(client.put(f"/api/v1/blobs/{'0' * 64}", content=b"x"), 403, 5)

    @pytest.mark.parametrize("name", ["0" * 63, "0" * 65, "G" * 64, "..%2f..%2fetc", "A" * 64])
    def test_names_are_digests(self, client: Client, name: str) -> None:
        assert client.put(f"/api/v1/blobs/{name}", content=b"x").status_code in (404, 422)


class TestIdempotency:
    def post(self, client: Client, key: str, name: str) -> Any:
        return client.post("/api/v1/devices", json={"name": name}, headers={"idempotency-key": key})

    def test_the_same_request_is_done_once(self, client: Client) -> None:
        first, second = self.post(client, "k", "dev-1"), self.post(client, "k", "dev-1")
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()

    def test_a_key_belongs_to_one_request(self, client: Client) -> None:
        self.post(client, "k", "dev-1")
        problem(self.post(client, "k", "dev-2"), 422)

    def test_a_failure_may_be_repeated(self, client: Client, fleet: Fleet) -> None:
        fleet.enrol("dev-1")
        assert self.post(client, "k", "dev-1").status_code == 409
        fleet.service.devices.delete("dev-1")
        assert self.post(client, "k", "dev-1").status_code == 201

    def test_it_outlives_a_restart(self, client: Client, fleet: Fleet) -> None:
        first = self.post(client, "k", "dev-1")
        with client_of(make_app(fleet.start(), TOKEN), TOKEN) as again:
            assert self.post(again, "k", "dev-1").json() == first.json()

    def test_strangers_learn_nothing_from_it(self, client: Client) -> None:
        self.post(client, "k", "dev-1")
        client.headers["authorization"] = "Bearer wrong"
        assert self.post(client, "k", "dev-1").status_code == 401

    def test_a_key_is_bounded(self, client: Client) -> None:
        problem(self.post(client, "k" * 129, "dev-1"), 400)

    def test_a_push_is_started_once(self, client: Client, fleet: Fleet) -> None:
        fleet.join("dev-1")
        fleet.release()
        body = {"model": "crop-model", "version": "1.0.0", "group": "farm-a"}
        numbers = {
            client.post("/api/v1/pushes", json=body, headers={"idempotency-key": "one"}).json()["rollout"]
            for _ in range(3)
        }
        assert len(numbers) == 1
        assert len(client.get("/api/v1/rollouts").json()["items"]) == 1


class TestLimits:
    @pytest.mark.parametrize("headers", [{}, {"idempotency-key": "k"}])
    def test_a_body_that_is_too_large(self, client: Client, headers: dict[str, str]) -> None:
        body = {"name": "a", "labels": {"a": "x" * (1 << 20)}}
        problem(client.post("/api/v1/devices", json=body, headers=headers), 413)

    def test_numbers_no_database_can_hold(self, client: Client, fleet: Fleet) -> None:
        fleet.join("dev-1")
        fleet.release()
        body = {"model": "crop-model", "version": "1.0.0", "group": "farm-a"}
        for extra in ({"timeout": 1 << 63}, {"observe": {"inferences": 1 << 63, "seconds": 1}}):
            problem(client.post("/api/v1/pushes", json=body | extra), 422, 3)

    def test_a_query_that_nests_too_deeply(self, client: Client) -> None:
        problem(client.patch("/api/v1/groups/a", json={"query": "(" * 9000}), 422, 3)

    def test_a_defect_is_a_problem_too(self, client: Client, fleet: Fleet) -> None:
        fleet.service.status.status = lambda: 1 // 0  # type: ignore[method-assign,return-value]
        problem(client.get("/api/v1/status"), 500, 1)


class TestLists:
    def pages(self, client: Client, path: str, **query: Any) -> list[list[Any]]:
        found, cursor = [], None
        while True:
            extra = {"cursor": cursor} if cursor else {}
            page = client.get(f"/api/v1/{path}", params={**query, **extra}).json()
            found.append(page["items"])
            cursor = page["next"]
            if cursor is None:
                return found

    def test_devices(self, client: Client, fleet: Fleet) -> None:
        for number in range(5):
            fleet.enrol(f"dev-{number}")
        pages = self.pages(client, "devices", limit=2)
        assert [[device["name"] for device in page] for page in pages] == [
            ["dev-0", "dev-1"], ["dev-2", "dev-3"], ["dev-4"],
        ]  # fmt: skip

    def test_rollouts(self, client: Client, fleet: Fleet) -> None:
        fleet.join("dev-1")
        release = fleet.release()
        numbers = []
        for _ in range(5):
            numbers.append(fleet.push(release))
            fleet.settle(release, numbers[-1])
        pages = self.pages(client, "rollouts", limit=2)
        assert [item["id"] for page in pages for item in page] == numbers[::-1]

    @pytest.mark.parametrize("query", ["limit=0", "limit=501", "cursor=x", "cursor=-1"])
    def test_bounds(self, client: Client, query: str) -> None:
        problem(client.get(f"/api/v1/rollouts?{query}"), 422, 3)


def test_a_release_over_http(client: Client, fleet: Fleet) -> None:
    package = pack(FakeModule())
    body = {"model": "crop-model", "version": "1.0.0", "content": package.content}
    numbers = api.Reservation.model_validate(client.post("/api/v1/releases/reserve", json=body).json())
    fleet.upload(package)
    release = fleet.register(package, numbers)
    assert client.get("/api/v1/releases/crop-model/1.0.0").json() == release.model_dump(mode="json")
    again = client.post("/api/v1/releases", json={"manifest": release.signed})
    assert again.status_code == 201
    problem(client.post("/api/v1/releases", json={"manifest": "00"}), 403, 5)
    problem(client.post("/api/v1/releases", json={"manifest": "zz"}), 422, 3)


def test_a_dry_run_is_not_a_creation(client: Client, fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.release()
    body = {"model": "crop-model", "version": "1.0.0", "group": "farm-a", "dry_run": True}
    answer = client.post("/api/v1/pushes", json=body)
    assert answer.status_code == 200
    assert api.PushPlan.model_validate(answer.json()).waves
    assert client.post("/api/v1/pushes", json=body | {"dry_run": False}).status_code == 201


def test_a_poll_waits_no_longer_than_asked(client: Client, fleet: Fleet) -> None:
    fleet.join("dev-1")
    number = fleet.push(fleet.release())
    revision = client.get(f"/api/v1/rollouts/{number}").json()["revision"]
    answer = client.get(f"/api/v1/rollouts/{number}", params={"after": revision, "wait": 0.05})
    assert answer.json()["revision"] == revision
    problem(client.get(f"/api/v1/rollouts/{number}?wait=61"), 422, 3)


def test_info_and_roots(client: Client, fleet: Fleet) -> None:
    info = client.get("/api/v1/info").json()
    assert info["root"] == 1
    assert info["director"] == fleet.keys.director.public.id.hex()
    assert client.get("/api/v1/roots/latest").json() == client.get("/api/v1/roots/1").json()
    upload = {"root": fleet.keys.signed_root(2).hex()}
    assert client.post("/api/v1/roots", json=upload).json()["root"] == 2
    assert client.post("/api/v1/roots", json=upload).json()["root"] == 2
    problem(client.post("/api/v1/roots", json={"root": fleet.keys.signed_root(1).hex()}), 403, 5)
