"""Requests: authentication, bounded retries, and answers or errors.

Every write carries an `Idempotency-Key`, so each request may be sent again when its answer was lost.
"""

import secrets
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import ValidationError

from controller.client.config import Endpoint
from controller.client.errors import BadAnswerError, ConfigError, TokenRefusedError, from_problem
from protocol.api import Problem
from protocol.errors import FleetError, TimedOutError, UnreachableError

ATTEMPTS = 4
_RETRY_STATUS = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


def _trust(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """The system's authorities; or only the given certificate, an authority's or the controller's own."""
    if endpoint.ca is None:
        return True
    try:
        context = ssl.create_default_context(cafile=str(endpoint.ca))
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "it holds no certificate"
        raise ConfigError(
            f"the controller's certificate cannot be read: {reason}",
            where=str(endpoint.ca),
            remedy="fleet login URL --ca FILE, or FLEET_CA=FILE",
        ) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class Transport:
    """One connection pool to one controller.

    Args:
        endpoint: Where, and with which token.
        timeout: Seconds for connecting, and for each answer.
        via: Stands in for the network, in tests.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: float = 30,
        via: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
        self.endpoint = endpoint
        self._timeout = timeout
        self._sleep = sleep
        # The environment's proxies are for the internet, not for the machine next door.
        self._http = httpx.Client(
            base_url=endpoint.url, headers=headers, timeout=timeout, transport=via, trust_env=False,
            verify=_trust(endpoint),
        )  # fmt: skip

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | dict[str, Any] | None = None,
        params: dict[str, str | int] | None = None,
        wait: float = 0,
    ) -> httpx.Response:
        """Send a request until it is answered, or has failed `ATTEMPTS` times.

        Args:
            method: Of HTTP.
            path: Below the controller's address.
            body: Bytes, or plain values that go as JSON.
            params: Query; values that are None must be left out.
            wait: Seconds for which the server may hold the answer back (long poll).

        Raises:
            UnreachableError: nobody answers.
            TimedOutError: the controller took the request and did not answer in time.
            FleetError: what the controller says went wrong, as the class it was there.
        """
        as_json, as_bytes = (body, None) if isinstance(body, dict) else (None, body)
        headers = {"idempotency-key": secrets.token_hex(16)} if method in _WRITES else {}
        failure: httpx.TransportError | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(0.1 * 2**attempt * (1 + secrets.randbelow(1000) / 1000))
            try:
                answer = self._http.request(
                    method, path, json=as_json, content=as_bytes, params=params, headers=headers,
                    timeout=httpx.Timeout(self._timeout, read=self._timeout + wait),
                )  # fmt: skip
            except httpx.ConnectError as error:
                raise self._unreachable(error) from error
            except httpx.TransportError as error:
                failure = error
                continue
            if answer.status_code in _RETRY_STATUS and attempt + 1 < ATTEMPTS:
                continue
            if answer.is_success:
                return answer
            raise self._problem(answer)
        raise self._lost(failure) from failure

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = "connection refused" if "refused" in str(error).lower() else str(error)
        return UnreachableError(
            f"no controller at {self.endpoint.url} ({reason})",
            remedy="fleet up      or set FLEET_CONTROLLER",
        )

    def _lost(self, error: httpx.TransportError | None) -> FleetError:
        if isinstance(error, httpx.TimeoutException):
            return TimedOutError(
                f"the controller at {self.endpoint.url} did not answer within {self._timeout:.0f} s",
                remedy="fleet status shows whether the work went on",
            )
        return UnreachableError(
            f"the controller at {self.endpoint.url} broke off {ATTEMPTS} times: {error}",
            remedy="look at its log; fleet status shows how things stand",
        )

    def _problem(self, answer: httpx.Response) -> FleetError:
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            sent = "the token that was sent" if self.endpoint.token else "a request without a token"
            return TokenRefusedError(
                f"the controller at {self.endpoint.url} refuses {sent}",
                remedy="fleet login, set FLEET_TOKEN, or run as the user who ran fleet up",
            )
        try:
            return from_problem(Problem.model_validate_json(answer.content))
        except ValidationError:
            return BadAnswerError(
                f"{self.endpoint.url} answered {answer.status_code} {answer.reason_phrase}, "
                "which no controller explains so briefly",
                where=f"{answer.request.method} {answer.request.url.path}",
                remedy="check FLEET_CONTROLLER, and that both ends have the same version",
            )
