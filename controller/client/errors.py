"""What the client can meet; every problem of the server comes back as the class it was raised as.

ConfigError          exit 3   client.json is damaged
BadAnswerError       exit 1   whatever answers is not a controller of this version
TokenRefusedError    exit 5   the controller does not know the token, or its role is too low
"""

from protocol.api import Problem
from protocol.errors import FleetError, InputError, RefusedError, TimedOutError, UnreachableError

_CLASSES: dict[int, type[FleetError]] = {
    error.exit_code: error for error in (InputError, UnreachableError, RefusedError, TimedOutError)
}

_TOKEN = "urn:fleet:token"  # noqa: S105 - the name of a problem


class ConfigError(InputError):
    """The desk's configuration cannot be used."""


class BadAnswerError(FleetError):
    """An answer that no controller of this version gives."""


class TokenRefusedError(RefusedError):
    """The controller does not let this user in, or not do this."""


def from_problem(problem: Problem) -> FleetError:
    """The error that the server raised, with its own words."""
    kind = TokenRefusedError if problem.type == _TOKEN else _CLASSES.get(problem.exit_code, FleetError)
    return kind(problem.title, where=problem.detail, remedy=problem.remedy)
