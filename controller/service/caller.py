"""Who asks: known from the token, for the time of one request."""

from contextvars import ContextVar
from dataclasses import dataclass

from protocol.access import Role


@dataclass(frozen=True)
class Caller:
    """A person or a program.

    Attributes:
        name: Of the token.
        role: What it may do.
    """

    name: str
    role: Role


CONTROLLER = Caller("controller", Role.OWNER)
"""What happens without anyone's request."""

caller: ContextVar[Caller] = ContextVar("caller", default=CONTROLLER)
