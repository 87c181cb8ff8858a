"""One typed method for each endpoint in `protocol.api.ENDPOINTS`."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from controller.client.config import load_endpoint
from controller.client.errors import BadAnswerError
from controller.client.requests import make_request
from controller.client.transport import Transport
from protocol import access, api
from protocol.topics import check_name

V1 = "/api/v1"
PAGE = 200

T = TypeVar("T")

Action = Literal["pause", "resume", "stop", "back"]


class Client:
    """Speaks to one controller; a context manager that closes its connections.

    Every method raises what `Transport.request` raises, and `BadAnswerError` when an answer is not
    what this version expects.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    def from_environment(cls, *, timeout: float = 30) -> Self:
        """A client for the configured controller."""
        return cls(Transport(load_endpoint(), timeout=timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    @property
    def url(self) -> str:
        """The controller's address."""
        return self._transport.endpoint.url

    def info(self) -> api.Info:
        """What the controller is."""
        return self._get(api.Info, "/info")

    def root(self, version: int | None = None) -> api.RootUpload:
        """A signed root; the latest when `version` is None."""
        return self._get(api.RootUpload, f"/roots/{version or 'latest'}")

    def add_root(self, signed: bytes) -> api.Info:
        """Give the controller the root that follows its newest."""
        return self._send(api.Info, "POST", "/roots", api.RootUpload(root=signed.hex()))

    def next_director(self) -> api.DirectorKey:
        """The key that the controller will sign with once a root lists it; made if need be."""
        return self._send(api.DirectorKey, "POST", "/director/next")

    def create_device(self, request: api.DeviceCreate) -> api.Enrolment:
        """Enrol a device."""
        return self._send(api.Enrolment, "POST", "/devices", request)

    def devices(self, group: str | None = None) -> list[api.Device]:
        """All devices, or those of a group."""
        return list(self._pages(api.DevicePage, "/devices", {"group": group} if group else {}))

    def device(self, name: str) -> api.Device:
        """One device."""
        return self._get(api.Device, f"/devices/{check_name(name, 'device name')}")

    def delete_device(self, name: str) -> None:
        """Forget a device; its reports are refused from then on."""
        self._request("DELETE", f"/devices/{check_name(name, 'device name')}")

    def set_labels(self, name: str, labels: dict[str, str]) -> api.Device:
        """Replace all labels of a device."""
        request = make_request(api.Labels, labels=labels)
        return self._send(api.Device, "PUT", f"/devices/{check_name(name, 'device name')}/labels", request)

    def why(self, name: str) -> api.Why:
        """Why a device runs what it runs."""
        return self._get(api.Why, f"/devices/{check_name(name, 'device name')}/why")

    def start_profile(self, name: str, request: api.ProfileRequest) -> api.DeviceProfile:
        """Ask a device to time the layers of a model."""
        path = f"/devices/{check_name(name, 'device name')}/profiles"
        return self._send(api.DeviceProfile, "POST", path, request)

    def profile(self, name: str, identity: str, *, wait: float = 0) -> api.DeviceProfile:
        """What a device answered; while there is nothing, after at most `wait` seconds."""
        path = f"/devices/{check_name(name, 'device name')}/profiles/{identity}"
        return self._get(api.DeviceProfile, path, {"wait": int(wait)}, wait)

    def groups(self) -> list[api.Group]:
        """All groups."""
        return self._get(list[api.Group], "/groups")

    def group(self, name: str) -> api.Group:
        """One group."""
        return self._get(api.Group, f"/groups/{check_name(name, 'group name')}")

    def change_group(self, name: str, change: api.GroupChange) -> api.Group:
        """Add and remove members, or set the query; makes the group if need be."""
        return self._send(api.Group, "PATCH", f"/groups/{check_name(name, 'group name')}", change)

    def delete_group(self, name: str) -> None:
        """Forget a group; its devices keep what they run."""
        self._request("DELETE", f"/groups/{check_name(name, 'group name')}")

    def reserve(self, request: api.Reserve) -> api.Reservation:
        """Ask for the numbers to sign."""
        return self._send(api.Reservation, "POST", "/releases/reserve", request)

    def content_key(self, model: str, version: str) -> bytes:
        """The key of an encrypted release, reserved or made."""
        return bytes.fromhex(
            self._get(api.ContentKey, f"{_release_path(model, version)}/content-key").content_key
        )

    def missing_blobs(self, digests: list[str]) -> list[str]:
        """Those of `digests` that the controller lacks."""
        return self._send(api.Digests, "POST", "/blobs/missing", api.Digests(digests=digests)).digests

    def put_blob(self, digest: str, data: bytes) -> None:
        """Upload bytes under their SHA-256."""
        self._transport.request("PUT", f"{V1}/blobs/{digest}", body=data)

    def get_blob(self, digest: str) -> bytes:
        """Bytes by their SHA-256."""
        return self._request("GET", f"/blobs/{digest}")

    def register(self, signed_manifest: bytes) -> api.Release:
        """Make a release of a signed manifest whose blobs are uploaded."""
        upload = api.ReleaseUpload(manifest=signed_manifest.hex())
        return self._send(api.Release, "POST", "/releases", upload)

    def releases(self, model: str | None = None) -> list[api.Release]:
        """All releases, newest first, or those of a model."""
        return list(self._pages(api.ReleasePage, "/releases", {"model": model} if model else {}))

    def release(self, model: str, version: str) -> api.Release:
        """One release."""
        return self._get(api.Release, _release_path(model, version))

    def withdraw(self, model: str, version: str) -> api.Release:
        """Raise the floor above a release, so that it is never installed again."""
        return self._send(api.Release, "POST", f"{_release_path(model, version)}/withdraw")

    def plan_push(self, request: api.PushRequest) -> api.PushPlan:
        """What a push would do."""
        return self._send(api.PushPlan, "POST", "/pushes", request.model_copy(update={"dry_run": True}))

    def push(self, request: api.PushRequest) -> api.Started:
        """Begin a rollout."""
        return self._send(api.Started, "POST", "/pushes", request)

    def rollback(self, request: api.RollbackRequest) -> api.Started:
        """Begin a rollout of the release before."""
        return self._send(api.Started, "POST", "/rollbacks", request)

    def remove(self, request: api.RemoveRequest) -> api.Started:
        """Begin taking a model away."""
        return self._send(api.Started, "POST", "/removals", request)

    def rollouts(self, limit: int = 20) -> list[api.Rollout]:
        """The newest rollouts."""
        return self._get(api.RolloutPage, "/rollouts", {"limit": limit}).items

    def rollout(self, number: int, *, after: int | None = None, wait: float = 0) -> api.Rollout:
        """One rollout; with `after`, as soon as its revision is greater, at most `wait` seconds later."""
        params: dict[str, str | int] = {} if after is None else {"after": after, "wait": int(wait)}
        return self._get(api.Rollout, f"/rollouts/{number}", params, wait)

    def act(self, number: int, action: Action) -> api.Rollout:
        """Pause, resume, stop or turn back a rollout."""
        return self._send(api.Rollout, "POST", f"/rollouts/{number}/{action}")

    def status(self) -> api.Status:
        """The whole fleet on one page."""
        return self._get(api.Status, "/status")

    def events(
        self, device: str | None = None, after: int | None = None, limit: int = 100
    ) -> list[api.Event]:
        """What happened, oldest first."""
        params: dict[str, str | int] = {"limit": limit}
        if device:
            params["device"] = device
        if after is not None:
            params["after"] = after
        return self._get(list[api.Event], "/events", params)

    def me(self) -> access.Me:
        """Whose token this client has."""
        return self._get(access.Me, "/me")

    def create_token(self, request: access.TokenCreate) -> access.NewToken:
        """Make a token; the answer is the only place of its secret."""
        return self._send(access.NewToken, "POST", "/tokens", request)

    def tokens(self) -> list[access.Token]:
        """All tokens, without their secrets."""
        return self._get(list[access.Token], "/tokens")

    def revoke_token(self, name: str) -> None:
        """Refuse a token from now on."""
        self._request("DELETE", f"/tokens/{check_name(name, 'token name')}")

    def create_app(self, request: access.AppCreate) -> access.NewApp:
        """Have an application's certificate signed."""
        return self._send(access.NewApp, "POST", "/apps", request)

    def apps(self) -> list[access.App]:
        """All applications that the broker admits."""
        return self._get(list[access.App], "/apps")

    def remove_app(self, name: str) -> None:
        """Revoke an application's certificate; the broker cuts it off."""
        self._request("DELETE", f"/apps/{check_name(name, 'application name')}")

    def audit(self, after: int = 0) -> Iterator[access.AuditEntry]:
        """Entries of the audit log with higher numbers, oldest first."""
        cursor: str | None = str(after)
        while cursor is not None:
            page = self._get(access.AuditPage, "/audit", {"cursor": cursor})
            yield from page.items
            cursor = page.next

    def _request(self, method: str, path: str) -> bytes:
        return self._transport.request(method, V1 + path).content

    def _get(
        self, kind: type[T], path: str, params: dict[str, str | int] | None = None, wait: float = 0
    ) -> T:
        return self._read(kind, self._transport.request("GET", V1 + path, params=params, wait=wait).content)

    def _send(self, kind: type[T], method: str, path: str, body: api.Resource | None = None) -> T:
        plain = None if body is None else body.model_dump(mode="json")
        return self._read(kind, self._transport.request(method, V1 + path, body=plain).content)

    def _pages(self, kind: type[Any], path: str, params: dict[str, str | int]) -> Iterator[Any]:
        cursor: str | None = ""
        while cursor is not None:
            query = {**params, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
            page = self._get(kind, path, query)
            yield from page.items
            cursor = page.next

    def _read(self, kind: type[T], content: bytes) -> T:
        try:
            return TypeAdapter(kind).validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BadAnswerError(
                f"the controller's answer is not the expected {getattr(kind, '__name__', kind)}: "
                f"{place}: {first['msg']}",
                where=self.url,
                remedy="check that both ends have the same version: fleet --version",
            ) from error


def _release_path(model: str, version: str) -> str:
    return f"/releases/{check_name(model, 'model name')}/{quote(version, safe='')}"
