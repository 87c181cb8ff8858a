"""The HTTP client: errors come back as what they were, answers are checked, retries are bounded."""

import collections
import json

import httpx
import pytest

from controller.client import (
    BadAnswerError,
    Client,
    ConfigError,
    TokenRefusedError,
    load_endpoint,
    make_request,
)
from controller.client.transport import ATTEMPTS
from protocol import access, api
from protocol.errors import FleetError, InputError, RefusedError, TimedOutError, UnreachableError
from tests.unit.desk import samples
from tests.unit.desk.conftest import URL, Controller


@pytest.fixture
def server():
    return Controller()


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1, FleetError), (3, InputError), (4, UnreachableError), (5, RefusedError), (6, TimedOutError)],
)
def test_a_problem_comes_back_as_the_class_it_was(server, code, kind):
    server.problem(
        "GET",
        "/api/v1/status",
        409,
        title="no",
        detail="group farm-x",
        remedy="fleet group list",
        exit_code=code,
    )
    with server.client() as client, pytest.raises(kind) as caught:
        client.status()
    assert caught.value.exit_code == code
    assert (caught.value.what, caught.value.where, caught.value.remedy) == (
        "no",
        "group farm-x",
        "fleet group list",
    )


def test_nobody_there(server):
    server.on("GET", "/api/v1/status", lambda _: httpx.ConnectError("[Errno 111] Connection refused"))
    with server.client() as client, pytest.raises(UnreachableError) as caught:
        client.status()
    assert caught.value.what == f"no controller at {URL} (connection refused)"
    assert "fleet up" in caught.value.remedy
    assert "FLEET_CONTROLLER" in caught.value.remedy
    assert len(server.requests) == 1


def test_a_lost_answer_is_asked_for_again_under_the_same_key(server):
    answers = [httpx.ReadError("reset"), httpx.RemoteProtocolError("gone"), samples.group()]
    server.on("PATCH", "/api/v1/groups/farm-a", lambda _: answers.pop(0))
    with server.client() as client:
        assert client.change_group("farm-a", api.GroupChange(add=["dev-1"])).name == "farm-a"
    keys = {request.headers["idempotency-key"] for request in server.requests}
    assert len(server.requests) == 3
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(httpx.ReadError("reset"), UnreachableError), (httpx.ReadTimeout("slow"), TimedOutError)],
)
def test_retries_end(server, failure, kind):
    server.on("GET", "/api/v1/status", lambda _: failure)
    with server.client() as client, pytest.raises(kind):
        client.status()
    assert len(server.requests) == ATTEMPTS


def test_an_answer_of_something_else_is_not_taken_for_a_controller(server):
    server.on("GET", "/api/v1/status", b"<html>welcome</html>")
    server.on("GET", "/api/v1/info", b"<html>nginx</html>", 500)
    with server.client() as client:
        with pytest.raises(BadAnswerError, match="not the expected Status"):
            client.status()
        with pytest.raises(BadAnswerError, match="answered 500"):
            client.info()


def test_a_refused_token_is_never_quoted(server):
    server.on("GET", "/api/v1/status", b"{}", 401)
    with server.client() as client, pytest.raises(TokenRefusedError, match="refuses the token") as caught:
        client.status()
    assert "FLEET_TOKEN" in caught.value.remedy
    assert "secret" not in str(caught.value)
    assert server.requests[0].headers["authorization"] == "Bearer secret"


def test_lists_are_read_to_the_last_page(server):
    def page(request):
        cursor = request.url.params.get("cursor")
        number = int(cursor) if cursor else 0
        return api.DevicePage(
            items=[samples.device(f"dev-{number}")], next=str(number + 1) if number < 3 else None
        )

    server.on("GET", "/api/v1/devices", page)
    with server.client() as client:
        assert [device.name for device in client.devices("farm-a")] == ["dev-0", "dev-1", "dev-2", "dev-3"]
    assert all(request.url.params["group"] == "farm-a" for request in server.requests)


def test_names_never_reach_a_path_unchecked(server):
    with server.client() as client:
        for call in (client.device, client.group, client.delete_device, client.why, client.remove_app):
            with pytest.raises(InputError, match="not a valid"):
                call("../roots/1")
        with pytest.raises(FleetError):
            client.release("crop-model", "../../x")
    assert [request.url.raw_path for request in server.requests] == [
        b"/api/v1/releases/crop-model/..%2F..%2Fx"
    ]


def test_what_was_typed_is_named_when_it_is_wrong():
    with pytest.raises(InputError, match=r"'Farm A' is not a valid group"):
        make_request(api.PushRequest, model="m", version="1", group="Farm A")
    with pytest.raises(InputError, match=r"'1/2' is not a valid version"):
        make_request(api.PushRequest, model="m", version="1/2", group="g")


class TestConfiguration:
    def test_default(self, tmp_path):
        assert load_endpoint({}, tmp_path).url == "http://127.0.0.1:7400"

    def test_what_fleet_up_wrote(self, tmp_path):
        (tmp_path / "client.json").write_text(json.dumps({"controller": "http://127.0.0.1:9", "token": "t"}))
        endpoint = load_endpoint({}, tmp_path)
        assert (endpoint.url, endpoint.token) == ("http://127.0.0.1:9", "t")
        assert "t'" not in repr(endpoint)

    def test_the_stored_token_is_for_the_stored_address_only(self, tmp_path):
        stored, mine = "stored", "mine"
        (tmp_path / "client.json").write_text(
            json.dumps({"controller": "http://127.0.0.1:9", "token": stored})
        )
        assert load_endpoint({"FLEET_CONTROLLER": "http://elsewhere:1/"}, tmp_path).token is None
        assert load_endpoint({"FLEET_CONTROLLER": "http://127.0.0.1:9/"}, tmp_path).token == stored
        other = load_endpoint({"FLEET_CONTROLLER": "http://x:1", "FLEET_TOKEN": mine}, tmp_path)
        assert other.token == mine

    @pytest.mark.parametrize("text", ["{", "[]", '{"token": 1}'])
    def test_damage_is_named(self, tmp_path, text):
        (tmp_path / "client.json").write_text(text)
        with pytest.raises(ConfigError, match=r"client\.json"):
            load_endpoint({}, tmp_path)

    def test_not_an_address(self, tmp_path):
        with pytest.raises(ConfigError) as caught:
            load_endpoint({"FLEET_CONTROLLER": "localhost"}, tmp_path)
        assert caught.value.where == "FLEET_CONTROLLER"


def test_every_endpoint_of_the_contract_has_a_method(server):
    """The client asks for exactly the paths that `protocol.api.ENDPOINTS` lists."""
    server.answers = collections.defaultdict(lambda: (api.Problem(status=400, title="x"), 400))
    with server.client() as client:
        for call in CALLS:
            with pytest.raises(FleetError):
                call(client)
    asked = {(request.method, request.url.path) for request in server.requests}
    unused = {"/health", *(f"/api/v1/devices/{{name}}/{what}" for what in ("claim", "certificate"))}
    for line in api.ENDPOINTS.strip().splitlines():
        method, path = line.split()[:2]
        path = path.split("?")[0]
        if path in unused:
            continue
        pattern = path.replace("{pause|resume|stop|back}", "pause")
        for name, value in {
            "{name}": "x", "{n}": "latest", "{model}": "m", "{version}": "1", "{id}": "1", "{sha256}": "ab",
        }.items():  # fmt: skip
            pattern = pattern.replace(name, value)
        assert (method, pattern) in asked, line


RELEASE = {"model": "m", "version": "1"}
CALLS = [
    Client.me, Client.tokens, lambda c: next(c.audit()), lambda c: c.revoke_token("x"),
    lambda c: c.create_token(access.TokenCreate(name="x", role="viewer")),
    Client.apps, lambda c: c.create_app(access.AppCreate(name="x", request="")), lambda c: c.remove_app("x"),
    Client.info, Client.root, Client.devices, Client.groups, Client.releases, Client.rollouts, Client.status,
    Client.events, Client.next_director,
    lambda c: c.add_root(b""),
    lambda c: c.create_device(api.DeviceCreate(name="x")),
    lambda c: c.device("x"), lambda c: c.delete_device("x"), lambda c: c.set_labels("x", {}),
    lambda c: c.start_profile("x", api.ProfileRequest(model="m")), lambda c: c.profile("x", "1"),
    lambda c: c.why("x"), lambda c: c.group("x"), lambda c: c.delete_group("x"),
    lambda c: c.change_group("x", api.GroupChange()),
    lambda c: c.reserve(api.Reserve(**RELEASE, content="00" * 32)),
    lambda c: c.missing_blobs([]), lambda c: c.put_blob("ab", b""), lambda c: c.get_blob("ab"),
    lambda c: c.register(b""), lambda c: c.release("m", "1"), lambda c: c.content_key("m", "1"),
    lambda c: c.withdraw("m", "1"),
    lambda c: c.plan_push(api.PushRequest(**RELEASE, group="g")),
    lambda c: c.push(api.PushRequest(**RELEASE, group="g")),
    lambda c: c.rollback(api.RollbackRequest(model="m", group="g")),
    lambda c: c.remove(api.RemoveRequest(model="m", group="g")),
    lambda c: c.rollout(1), lambda c: c.act(1, "pause"),
]  # fmt: skip
