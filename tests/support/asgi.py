"""Asking an ASGI application without a network."""

import asyncio
from typing import Any, Self

import httpx


class AsgiTransport(httpx.BaseTransport):
    """Lets a synchronous `httpx.Client` speak to an application in the same process.

    An exception that leaves the application is answered as its server would: by a 500.
    """

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._runner = asyncio.Runner()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            answer = await self._inner.handle_async_request(
                httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            )
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return self._runner.run(ask())

    def close(self) -> None:
        self._runner.close()

    def __enter__(self) -> Self:
        return self


def client(app: Any, token: str) -> httpx.Client:
    """A client of `app` that sends a bearer token."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url="http://controller", transport=AsgiTransport(app), headers=headers)
