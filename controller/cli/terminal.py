"""Where output goes: the answer to stdout, everything else to stderr.

Colour carries meaning only: green settled, yellow in progress, red needs you; a word always stands
beside it. `NO_COLOR` and dumb terminals are respected by rich.
"""

import json
import sys
from typing import Any, TextIO

from pydantic import BaseModel, TypeAdapter
from rich.console import Console, RenderableType
from rich.text import Text

from protocol.errors import FleetError, RefusedError

SETTLED, PROGRESS, NEEDS_YOU, QUIET, STRONG = "green", "yellow", "red", "dim", "bold"

_UNBOUNDED = 1 << 16


def console(file: TextIO) -> Console:
    """A console on `file`; off a terminal lines are as long as they need to be."""
    plain = Console(file=file, markup=False, highlight=False, emoji=False)
    if plain.is_terminal:
        return plain
    return Console(file=file, markup=False, highlight=False, emoji=False, width=_UNBOUNDED, no_color=True)


def answers() -> Console:
    """For what was asked."""
    return console(sys.stdout)


def progress() -> Console:
    """For what goes on meanwhile."""
    return console(sys.stderr)


def say(*parts: RenderableType) -> None:
    """Print the answer."""
    out = answers()
    for part in parts:
        out.print(part, soft_wrap=isinstance(part, str))


def note(text: str) -> None:
    """Print one line of progress."""
    progress().print(text, soft_wrap=True)


def plain(value: Any) -> Any:
    """Resources, and lists of them, as JSON values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return TypeAdapter(Any).dump_python(
        [plain(item) for item in value] if isinstance(value, list) else value, mode="json"
    )


def emit(value: Any) -> None:
    """Print one JSON document, and nothing else."""
    sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")


def emit_line(value: Any) -> None:
    """Print one line of JSON lines, at once."""
    sys.stdout.write(json.dumps(plain(value)) + "\n")
    sys.stdout.flush()


def print_error(error: FleetError) -> None:
    """What, where, and what to do about it."""
    word = "refused" if isinstance(error, RefusedError) else "error"
    out = progress()
    out.print(Text.assemble((f"{word}: ", f"{STRONG} {NEEDS_YOU}"), error.what), soft_wrap=True)
    for label, text in (("in", error.where), ("try", error.remedy)):
        if text:
            lines = text.split("\n")
            out.print(Text.assemble((f"  {label:<8}", QUIET), "\n          ".join(lines)), soft_wrap=True)
