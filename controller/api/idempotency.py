"""`Idempotency-Key`: a write that is sent twice is done once and answered twice.

The scheme is that of the IETF draft "The Idempotency-Key HTTP Header Field": the answer is kept under
the key and who used it, together with a digest of the request it belongs to.
"""

import asyncio
import hashlib
from collections.abc import Callable
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.guard import CALLER
from controller.store import Store, tables
from controller.store.records import add, forget_answers, one
from protocol.api import Problem

_WRITES = {"POST", "PATCH", "DELETE"}
"""PUT is idempotent by itself."""
MAX_KEPT = 1 << 20
KEPT = 86400
"""Seconds for which an answer is remembered."""


class Idempotency:
    """Middleware that answers a repeated write from memory."""

    def __init__(self, app: ASGIApp, store: Store, clock: Callable[[], int]) -> None:
        self._app = app
        self._store = store
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        key = Headers(scope=scope).get("idempotency-key") if scope["type"] == "http" else None
        who = scope.get(CALLER)
        if key is None or scope["method"] not in _WRITES or who is None:
            await self._app(scope, receive, send)
            return
        if len(key) > 128:
            await _problem(400, "the Idempotency-Key is longer than 128 characters")(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await _problem(413, "the body is too large")(scope, receive, send)
            return
        key = f"{who.name}:{key}"
        request = hashlib.sha256(f"{scope['method']} {scope['path']}\n".encode() + body).hexdigest()
        # The same key twice at once: the second waits and is answered like the first.
        async with self._turns.setdefault(key, asyncio.Lock()):
            kept = await run_in_threadpool(self._find, key)
            if kept is not None:
                if kept[0] != request:
                    answer: Response = _problem(422, "this Idempotency-Key was used for another request")
                else:
                    answer = Response(kept[2], kept[1], media_type="application/json")
                await answer(scope, receive, send)
                return
            recorder = _Recorder(send)
            await self._app(scope, _replay(body), recorder.send)
            if 200 <= recorder.status < 300 and len(recorder.body) <= MAX_KEPT:
                await run_in_threadpool(self._keep, key, request, recorder.status, recorder.body)

    def _find(self, key: str) -> tuple[str, int, bytes] | None:
        with self._store.transaction() as tx:
            row = one(tx, tables.answers, key=key)
            return (row["request"], row["status"], row["body"]) if row is not None else None

    def _keep(self, key: str, request: str, status: int, body: bytes) -> None:
        now = self._clock()
        with self._store.transaction() as tx:
            forget_answers(tx, now - KEPT)
            add(tx, tables.answers, key=key, request=request, status=status, body=body, at=now)


class _Recorder:
    """Passes an answer on and remembers it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
        await self._send(message)


async def _read(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_KEPT:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _problem(status: int, title: str) -> JSONResponse:
    problem = Problem(status=status, title=title, exit_code=3)
    return JSONResponse(problem.model_dump(exclude_none=True), status, media_type="application/problem+json")
