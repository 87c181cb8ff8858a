"""Errors that a person meets: what went wrong, where, and what to do about it.

FleetError                 exit 1   the thing asked for failed
├── InputError             exit 3   a file, a model or a configuration is not usable
├── UnreachableError       exit 4   the controller or the broker does not answer
├── RefusedError           exit 5   a rule of trust or a gate said no
└── TimedOutError          exit 6   no end was seen in time; the work goes on

Rooms derive their own classes from these; the commands print them and never a stack trace
unless asked to (``--debug``).
"""

from typing import ClassVar


class FleetError(Exception):
    """Base of every error that reaches a person.

    Args:
        what: One sentence that names the thing and what is wrong with it.
        where: The place: file, node, device, byte offset.
        remedy: What to try next, ideally a command.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        """All parts on one line each, as the terminal shows them."""
        lines = [self.what]
        if self.where:
            lines.append(f"  in      {self.where}")
        if self.remedy:
            lines.append(f"  try     {self.remedy}")
        return "\n".join(lines)


class InputError(FleetError):
    """A file, a model or a configuration cannot be used as it is."""

    exit_code = 3


class UnreachableError(FleetError):
    """The controller or the broker does not answer."""

    exit_code = 4


class RefusedError(FleetError):
    """A rule of trust, or a gate, said no."""

    exit_code = 5


class TimedOutError(FleetError):
    """No end was seen in time; the work goes on without the waiter."""

    exit_code = 6
