"""A bound on JSON bodies, whether they announce their length or not."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_JSON = 1 << 20
"""Largest request body but for blobs, bytes; those are bounded where they are read."""


class BodyLimit:
    """Middleware that stops reading a body that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or (scope["method"] == "PUT" and "/blobs/" in scope["path"]):
            await self._app(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_JSON:
                raise HTTPException(413, f"the body is larger than {MAX_JSON >> 20} MiB")
            return message

        await self._app(scope, bounded, send)
