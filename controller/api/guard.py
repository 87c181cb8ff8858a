"""Who asks, and whether they may: the outermost layer of the API."""

import math
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.failures import FailureLimit
from controller.api.problems import RoleError, TokenError, of_fleet_error
from controller.service import Context, Tokens
from controller.service.caller import Caller, caller
from protocol.access import Role
from protocol.api import Problem
from protocol.errors import RefusedError

HEALTH = "/health"
PROVED_OTHERWISE = {"/claim": "invitation", "/certificate": "request for a certificate"}
"""How paths end that take no token of a person, and what is guessed at there."""
CALLER = "fleet.caller"
"""Key of the scope; absent in requests without a good token."""


class Guard:
    """Middleware that knows the caller by the token, and slows down those who guess.

    Requests without a token go on without a caller: the routes say who may use them.

    Args:
        app: What is guarded.
        tokens: Who has which token.
        context: For the audit log.
        clock: Seconds that only grow.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, context: Context, clock: Callable[[], float]) -> None:
        self._app = app
        self._tokens = tokens
        self._context = context
        self._limit = FailureLimit(clock)
        # Digests of tokens that were right: no guesses, so others at the same address cannot lock them out.
        self._known: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else ""
        secret = _bearer(scope)
        if secret is not None:
            guess = sha256(secret.encode()).digest() not in self._known
            if not (guess and await self._must_wait(address, scope, receive, send)):
                await self._with_token(secret, address, scope, receive, send)
        elif not scope["path"].endswith(tuple(PROVED_OTHERWISE)):
            await self._app(scope, receive, send)
        elif not await self._must_wait(address, scope, receive, send):
            await self._of_device(address, scope, receive, send)

    async def _must_wait(self, address: str, scope: Scope, receive: Receive, send: Send) -> bool:
        seconds = self._limit.attempt(address)
        if seconds:
            await _slow_down(math.ceil(seconds))(scope, receive, send)
        return seconds > 0

    async def _with_token(
        self, secret: str, address: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        who, digest = await run_in_threadpool(self._tokens.who, secret), sha256(secret.encode()).digest()
        if who is None:
            self._known.discard(digest)
            await run_in_threadpool(self._write_down, f"a wrong token, from {address}")
            error = TokenError("the request has no valid token", remedy="set FLEET_TOKEN, or fleet login")
            await of_fleet_error(Request(scope), error)(scope, receive, send)
            return
        if digest not in self._known:
            self._known.add(digest)
            self._limit.was_right(address)
        scope[CALLER] = who
        before = caller.set(who)
        try:
            await self._app(scope, receive, send)
        finally:
            caller.reset(before)

    async def _of_device(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        """One-time tokens and MACs can be guessed at as well."""
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, watch)
        if status != HTTPStatus.FORBIDDEN:
            self._limit.was_right(address)
            return
        guessed = PROVED_OTHERWISE["/" + scope["path"].rpartition("/")[2]]
        await run_in_threadpool(self._write_down, f"a wrong {guessed}, to {scope['path']}, from {address}")

    def _write_down(self, what: str) -> None:
        with self._context.transaction() as tx:
            self._context.audit(tx, "refused", what)


def may(role: Role) -> Any:
    """A dependency of routes: callers of this role or a higher one.

    Raises:
        TokenError: there is no token.
        RoleError: its role is too low.
    """

    async def check(request: Request) -> None:
        check_role(request, role)

    return Depends(check)


def check_role(request: Request, role: Role) -> None:
    """Let callers of this role or a higher one pass.

    Raises:
        TokenError: there is no token.
        RoleError: its role is too low.
    """
    who: Caller | None = request.scope.get(CALLER)
    if who is None:
        raise TokenError("the request has no valid token", remedy="set FLEET_TOKEN, or fleet login")
    if who.role < role:
        raise RoleError(
            f"{who.name} is {who.role.text}, this takes {role.text}",
            where=f"{request.method} {request.url.path}",
            remedy="ask an owner: fleet token create NAME --role " + role.text,
        )


def _bearer(scope: Scope) -> str | None:
    kind, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def _slow_down(seconds: int) -> JSONResponse:
    problem = Problem(
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="too many wrong tokens from this address",
        remedy=f"try again in {seconds} s",
        exit_code=RefusedError.exit_code,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), problem.status, {"retry-after": str(seconds)},
        media_type="application/problem+json",
    )  # fmt: skip
