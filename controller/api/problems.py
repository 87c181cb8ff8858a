"""Errors as `application/problem+json` (RFC 9457)."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from controller.service import ConflictError, NotFoundError, OfflineError
from protocol.api import Problem
from protocol.errors import FleetError, InputError, RefusedError, TimedOutError, UnreachableError

TOKEN = "urn:fleet:token"  # noqa: S105 - the name of a problem


class TokenError(RefusedError):
    """A request without the right token."""


class RoleError(RefusedError):
    """A request that asks for more than the role of its token may."""


_STATUS: list[tuple[type[FleetError], int]] = [
    (TokenError, 401),
    (NotFoundError, 404),
    (ConflictError, 409),
    (RefusedError, 403),
    (InputError, 422),
    # A device, not the controller: whoever asked need not try again at once.
    (OfflineError, 409),
    (UnreachableError, 503),
    (TimedOutError, 504),
    (FleetError, 500),
]


def _answer(problem: Problem) -> JSONResponse:
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True),
        status_code=problem.status,
        media_type="application/problem+json",
    )


def of_fleet_error(_: Request, error: Exception) -> JSONResponse:
    """What a use case refused."""
    if not isinstance(error, FleetError):
        raise TypeError(error)
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    return _answer(
        Problem(
            type=TOKEN if isinstance(error, TokenError | RoleError) else "about:blank",
            status=status,
            title=error.what,
            detail=error.where,
            remedy=error.remedy,
            exit_code=error.exit_code,
        )
    )


def of_validation(_: Request, error: Exception) -> JSONResponse:
    """A request that is not what the endpoint takes."""
    if not isinstance(error, RequestValidationError):
        raise TypeError(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return _answer(
        Problem(status=422, title=f"the request is not valid: {first['msg']}", detail=place, exit_code=3)
    )


def of_http(_: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses: unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise TypeError(error)
    return _answer(Problem(status=error.status_code, title=str(error.detail), exit_code=3))


def of_defect(_: Request, _error: Exception) -> JSONResponse:
    """Anything else is ours; the server's log has the details."""
    return _answer(
        Problem(
            status=500,
            title="the controller has failed in a way nobody foresaw",
            remedy="read the output of fleet up, and report it with this request",
        )
    )


def install(app: FastAPI) -> None:
    """Answer every error as a problem."""
    app.add_exception_handler(FleetError, of_fleet_error)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, of_defect)
