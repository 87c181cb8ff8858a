"""Times, observations, labels, shapes, state and percentages as people type them."""

import re

from protocol.api import Observe
from protocol.errors import InputError

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def seconds(text: str, option: str) -> int:
    """`90`, `90s`, `10m`, `2h`, `1d`.

    Raises:
        InputError: something else.
    """
    match = re.fullmatch(r"(\d{1,9})\s*(s|m|min|h|d|)", text.strip())
    if match is None:
        raise InputError(
            f"{text!r} is not a time", where=option, remedy="write for example 90s, 10m, 2h or 1d"
        )
    return int(match[1]) * _UNITS[match[2]]


def observation(text: str) -> Observe:
    """`20,30s`: inferences, or time, whichever comes first.

    Raises:
        InputError: something else.
    """
    inferences, comma, time = text.partition(",")
    if not comma or not inferences.strip().isdecimal():
        raise InputError(
            f"{text!r} is not a number of inferences and a time",
            where="--observe",
            remedy="write for example 20,30s",
        )
    return Observe(inferences=int(inferences), seconds=seconds(time, "--observe"))


def labels(words: list[str]) -> dict[str, str | None]:
    """`site=north` sets a label, `site-` or `site=` removes it (None).

    Raises:
        InputError: a word is neither.
    """
    changes: dict[str, str | None] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals and key.endswith("-"):
            key = key[:-1]
        elif not equals:
            raise InputError(
                f"{word!r} is not a label", remedy="write KEY=VALUE to set one, KEY- to remove it"
            )
        changes[key] = value or None
    return changes


def shapes(words: list[str] | None) -> dict[str, tuple[int, ...]] | None:
    """`image=1,3,224,224` for each input.

    Raises:
        InputError: a word is something else.
    """
    found = {}
    for word in words or []:
        name, equals, sizes = word.rpartition("=")
        parts = sizes.split(",")
        if not equals or not name or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise InputError(f"{word!r} is not a shape", where="--shape", remedy="--shape image=1,3,224,224")
        found[name] = tuple(map(int, parts))
    return found or None


def state(words: list[str] | None) -> dict[str, str]:
    """`h=hn` for each input that becomes state.

    Raises:
        InputError: a word is something else, or an input is named twice.
    """
    found: dict[str, str] = {}
    for word in words or []:
        name, _, successor = word.partition("=")
        if name in found:
            raise InputError(
                f"{name} has two next values, {found[name]} and {successor}",
                where="--state",
                remedy="give each input once",
            )
        if not name or not successor:
            raise InputError(
                f"{word!r} does not pair an input with an output", where="--state", remedy="--state h=hn"
            )
        found[name] = successor
    return found


def points(text: str | None) -> float | None:
    """`0.5%`: percentage points, 0 … 100.

    Raises:
        InputError: something else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*%?", text.strip())
    if match is None or float(match[1]) > 100:
        raise InputError(f"{text!r} is not a percentage", where="--max-drop", remedy="--max-drop 0.5%")
    return float(match[1])
