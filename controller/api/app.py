"""Routes of `/api/v1`; `protocol.api` describes what goes in and out."""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from controller.api import problems
from controller.api.body_limit import BodyLimit
from controller.api.guard import CALLER, Guard, check_role, may
from controller.api.idempotency import Idempotency
from controller.service import NotFoundError, Service, Tokens
from controller.store import BlobStore
from protocol import access, api
from protocol.access import Role
from protocol.errors import InputError
from protocol.message import Name, Version

MAX_WAITERS = 200
"""Most long polls at a time; further ones queue."""
MAX_BODY = 64 << 20
"""Largest blob accepted, bytes: a quantized graph of a large model."""

Limit = Annotated[int, Query(ge=1, le=500)]
Number = Annotated[int, Path(ge=1, lt=1 << 31)]
Cursor = Annotated[int | None, Query(ge=0, lt=1 << 31)]


def make_app(service: Service, token: str, ticks: Callable[[], float] = time.monotonic) -> FastAPI:  # noqa: C901, PLR0915 - a list of routes
    """The application.

    Args:
        service: The use cases.
        token: Of who runs the controller; every endpoint but `/health` and the claim asks for a token.
        ticks: Seconds that only grow.
    """
    app = FastAPI(title="Fleet controller", version="1", docs_url=None, redoc_url=None)
    problems.install(app)
    context = service.context
    tokens = Tokens(context, token)
    views, operates, releases_, owns = ([may(role)] for role in Role)
    waiters = CapacityLimiter(MAX_WAITERS)
    v1 = "/api/v1"
    app.add_middleware(BodyLimit)
    app.add_middleware(Idempotency, store=context.store, clock=context.clock)
    app.add_middleware(Guard, tokens=tokens, context=context, clock=ticks)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "broker": "connected" if context.publisher.is_connected else "away"}

    @app.get(f"{v1}/info", dependencies=views)
    def info() -> api.Info:
        return api.Info(
            version=version("modelfleet"),
            broker=context.publisher.url,
            broker_connected=context.publisher.is_connected,
            root=max(context.roots),
            director=context.director.public.id.hex(),
        )

    @app.get(f"{v1}/roots/{{number}}", dependencies=views)
    def root(number: str) -> api.RootUpload:
        newest = max(context.roots)
        known = {str(version): signed for version, signed in context.roots.items()} | {
            "latest": context.roots[newest]
        }
        if number not in known:
            raise NotFoundError(f"there is no root {number[:20]}", where=f"the newest is {newest}")
        return api.RootUpload(root=known[number].hex())

    @app.post(f"{v1}/roots", dependencies=owns)
    def add_root(upload: api.RootUpload) -> api.Info:
        service.add_root(bytes.fromhex(upload.root))
        return info()

    @app.post(f"{v1}/director/next", dependencies=owns)
    def next_director() -> api.DirectorKey:
        return service.next_director()

    @app.post(f"{v1}/devices", status_code=201, dependencies=operates)
    def enrol(request: api.DeviceCreate) -> api.Enrolment:
        return service.devices.enrol(request)

    @app.get(f"{v1}/devices", dependencies=views)
    def devices(group: Name | None = None, cursor: str = "", limit: Limit = 100) -> api.DevicePage:
        return service.devices.page(group, cursor, limit)

    @app.get(f"{v1}/devices/{{name}}", dependencies=views)
    def device(name: Name) -> api.Device:
        return service.devices.get(name)

    @app.delete(f"{v1}/devices/{{name}}", status_code=204, dependencies=operates)
    def unenrol(name: Name) -> None:
        service.devices.delete(name)

    @app.put(f"{v1}/devices/{{name}}/labels", dependencies=operates)
    def labels(name: Name, request: api.Labels) -> api.Device:
        return service.devices.set_labels(name, request.labels)

    @app.post(f"{v1}/devices/{{name}}/claim")
    def claim(name: Name, request: api.Claim) -> api.Claimed:
        return service.devices.claim(name, request)

    @app.post(f"{v1}/devices/{{name}}/certificate")
    def renew(name: Name, request: api.RenewalRequest) -> api.Credentials:
        return service.identities.renew(name, request)

    @app.get(f"{v1}/devices/{{name}}/why", dependencies=views)
    def why(name: Name) -> api.Why:
        return service.status.why(name)

    @app.post(f"{v1}/devices/{{name}}/profiles", status_code=201, dependencies=operates)
    def profile(name: Name, request: api.ProfileRequest) -> api.DeviceProfile:
        return service.commands.profile(name, request)

    @app.get(f"{v1}/devices/{{name}}/profiles/{{identity}}", dependencies=views)
    async def profiled(
        name: Name, identity: api.CommandId, wait: Annotated[float, Query(ge=0, le=60)] = 0
    ) -> api.DeviceProfile:
        return await to_thread.run_sync(service.commands.get, name, identity, wait, limiter=waiters)

    @app.patch(f"{v1}/groups/{{name}}", dependencies=operates)
    def change_group(name: Name, request: api.GroupChange) -> api.Group:
        return service.groups.change(name, request)

    @app.get(f"{v1}/groups", dependencies=views)
    def groups() -> list[api.Group]:
        return service.groups.list()

    @app.get(f"{v1}/groups/{{name}}", dependencies=views)
    def group(name: Name) -> api.Group:
        return service.groups.get(name)

    @app.delete(f"{v1}/groups/{{name}}", status_code=204, dependencies=operates)
    def delete_group(name: Name) -> None:
        service.groups.delete(name)

    @app.post(f"{v1}/releases/reserve", dependencies=releases_)
    def reserve(request: api.Reserve) -> api.Reservation:
        return service.releases.reserve(request)

    @app.post(f"{v1}/blobs/missing", dependencies=releases_)
    def missing(request: api.Digests) -> api.Digests:
        return api.Digests(digests=[digest for digest in request.digests if not context.blobs.has(digest)])

    @app.put(f"{v1}/blobs/{{digest}}", status_code=204, dependencies=releases_)
    async def put_blob(digest: api.HexDigest, request: Request) -> None:
        await run_in_threadpool(context.blobs.put, digest, await _body(request))

    @app.get(f"{v1}/blobs/{{digest}}", dependencies=views, response_class=Response)
    def get_blob(digest: api.HexDigest, request: Request) -> Response:
        if request.scope[CALLER].role < Role.RELEASE_MANAGER and service.releases.is_secret(digest):
            check_role(request, Role.RELEASE_MANAGER)
        return Response(_blob(context.blobs, digest), media_type="application/octet-stream")

    @app.post(f"{v1}/releases", status_code=201, dependencies=releases_)
    def register(request: api.ReleaseUpload) -> api.Release:
        return service.releases.register(bytes.fromhex(request.manifest))

    @app.get(f"{v1}/releases", dependencies=views)
    def releases(model: Name | None = None, cursor: Cursor = None, limit: Limit = 100) -> api.ReleasePage:
        return service.releases.page(model, cursor, limit)

    @app.get(f"{v1}/releases/{{model}}/{{version}}", dependencies=views)
    def release(model: Name, version: Version) -> api.Release:
        return service.releases.get(model, version)

    @app.get(f"{v1}/releases/{{model}}/{{version}}/content-key", dependencies=releases_)
    def content_key(model: Name, version: Version) -> api.ContentKey:
        return service.content_keys.get(model, version)

    @app.post(f"{v1}/releases/{{model}}/{{version}}/withdraw", dependencies=releases_)
    def withdraw(model: Name, version: Version) -> api.Release:
        return service.releases.withdraw(model, version)

    @app.post(
        f"{v1}/pushes", status_code=201, dependencies=operates, response_model=api.Started | api.PushPlan,
        responses={200: {"model": api.PushPlan}},
    )  # fmt: skip
    def push(request: api.PushRequest, response: Response) -> api.PushPlan | api.Started:
        if request.dry_run:
            response.status_code = 200
        return service.rollouts.push(request)

    @app.post(f"{v1}/rollbacks", status_code=201, dependencies=operates)
    def rollback(request: api.RollbackRequest) -> api.Started:
        return service.rollouts.rollback(request)

    @app.post(f"{v1}/removals", status_code=201, dependencies=operates)
    def remove(request: api.RemoveRequest) -> api.Started:
        return service.rollouts.remove(request)

    @app.get(f"{v1}/rollouts", dependencies=views)
    def rollouts(cursor: Cursor = None, limit: Limit = 20) -> api.RolloutPage:
        return service.rollouts.page(cursor, limit)

    @app.get(f"{v1}/rollouts/{{number}}", dependencies=views)
    async def rollout(
        number: Number, after: Cursor = None, wait: Annotated[float, Query(ge=0, le=60)] = 0
    ) -> api.Rollout:
        # Threads of their own: those who wait must not keep others from asking.
        return await to_thread.run_sync(service.rollouts.get, number, after, wait, limiter=waiters)

    @app.post(f"{v1}/rollouts/{{number}}/{{action}}", dependencies=operates)
    def act(number: Number, action: Literal["pause", "resume", "stop", "back"]) -> api.Rollout:
        return service.rollouts.act(number, action)

    @app.get(f"{v1}/status", dependencies=views)
    def status() -> api.Status:
        return service.status.status()

    @app.get(f"{v1}/events", dependencies=views)
    def events(device: Name | None = None, after: Cursor = None, limit: Limit = 100) -> list[api.Event]:
        return service.status.events(device, after, limit)

    @app.get(f"{v1}/me", dependencies=views)
    def me(request: Request) -> access.Me:
        who = request.scope[CALLER]
        return access.Me(name=who.name, role=who.role.text)

    @app.post(f"{v1}/tokens", status_code=201, dependencies=owns)
    def create_token(request: access.TokenCreate) -> access.NewToken:
        return tokens.create(request)

    @app.get(f"{v1}/tokens", dependencies=owns)
    def list_tokens() -> list[access.Token]:
        return tokens.list()

    @app.delete(f"{v1}/tokens/{{name}}", status_code=204, dependencies=owns)
    def revoke_token(name: Name) -> None:
        tokens.revoke(name)

    @app.post(f"{v1}/apps", status_code=201, dependencies=operates)
    def add_app(request: access.AppCreate) -> access.NewApp:
        return service.applications.create(request)

    @app.get(f"{v1}/apps", dependencies=views)
    def list_apps() -> list[access.App]:
        return service.applications.list()

    @app.delete(f"{v1}/apps/{{name}}", status_code=204, dependencies=operates)
    def remove_app(name: Name) -> None:
        service.applications.remove(name)

    @app.get(f"{v1}/audit", dependencies=views)
    def audit(cursor: Cursor = None, limit: Limit = 500) -> access.AuditPage:
        return service.audit.page(cursor, limit)

    return app


async def _body(request: Request) -> bytes:
    """A raw body, bounded while it arrives."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise InputError(f"the body is larger than {MAX_BODY >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


def _blob(blobs: BlobStore, digest: str) -> bytes:
    if not blobs.has(digest):
        raise NotFoundError(f"there is no blob sha256:{digest[:8]}…")
    return blobs.get(digest)
