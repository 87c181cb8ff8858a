"""Checking what a person typed before it becomes a request."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from protocol.errors import InputError

M = TypeVar("M", bound=BaseModel)

_NAME_RULE = "use 1 to 63 of a-z, 0-9 and -, beginning with a letter or a digit"


def make_request(kind: type[M], **fields: Any) -> M:
    """`kind(**fields)`, with a refusal that a person can read.

    Raises:
        InputError: a field has an illegal value; the text names the field and quotes the value.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = " ".join(str(part) for part in first["loc"] if part != "[key]").replace("_", " ")
        if first["type"] == "string_pattern_mismatch":
            remedy = _NAME_RULE if "63" in str(first.get("ctx")) else "use up to 32 of A-Z a-z 0-9 . + -"
            raise InputError(f"{first['input']!r} is not a valid {place}", remedy=remedy) from error
        raise InputError(f"{place}: {first['msg']}", where=f"{first['input']!r}") from error
