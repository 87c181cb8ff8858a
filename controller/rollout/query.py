"""Group queries over labels: `site=north and (kind=gateway or not phase in (a, b))`.

    query  = term { "or" term }
    term   = factor { "and" factor }
    factor = "not" factor | "(" query ")" | label ( "=" | "!=" ) value
           | label "in" "(" value { "," value } ")"

`name` and `class` are labels that every device has.
"""

import re
from collections.abc import Callable, Mapping

from protocol.errors import InputError

Labels = Mapping[str, str]
Predicate = Callable[[Labels], bool]

_TOKEN = re.compile(r"\s*(?:(!=|=|\(|\)|,)|([\w][\w.:/+-]*)|\"([^\"]*)\")")
MAX_DEPTH = 20
"""Deepest nesting of parentheses and `not`, so that neither reading nor asking recurses far."""
_WORDS = frozenset({"and", "or", "not", "in"})


class QueryError(InputError):
    """A query that cannot be read."""


def parse(query: str) -> Predicate:
    """The predicate of a query.

    Raises:
        QueryError: it is not one; the error says where.
    """
    parser = _Parser(query)
    predicate = parser.query()
    parser.expect_end()
    return predicate


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, int]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                position = len(text) - len(text[position:].lstrip())
                raise self._error(f"cannot read {text[position]!r}", position)
            self._tokens.append((match[match.lastindex or 0], match.start(match.lastindex or 0)))
            position = match.end()
        self._next = 0
        self._depth = 0

    def _error(self, what: str, position: int | None = None) -> QueryError:
        if position is None:
            position = self._tokens[self._next][1] if self._next < len(self._tokens) else len(self._text)
        return QueryError(
            f"group query: {what}",
            where=f"column {position + 1} of {self._text!r}",
            remedy="write it like: site=north and kind in (gateway, camera)",
        )

    def _peek(self) -> str | None:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else None

    def _take(self, expected: str | None = None) -> str:
        token = self._peek()
        if token is None or (expected is not None and token != expected):
            raise self._error(f"{expected or 'a word'} is expected here")
        self._next += 1
        return token

    def _word(self, what: str) -> str:
        token = self._peek()
        if token is None or token in _WORDS or token in {"=", "!=", "(", ")", ","}:
            raise self._error(f"{what} is expected here")
        return self._take()

    def expect_end(self) -> None:
        if self._peek() is not None:
            raise self._error(f"{self._peek()!r} is not expected here")

    def query(self) -> Predicate:
        parts = [self._term()]
        while self._peek() == "or":
            self._take()
            parts.append(self._term())
        return lambda labels: any(part(labels) for part in parts)

    def _term(self) -> Predicate:
        parts = [self._factor()]
        while self._peek() == "and":
            self._take()
            parts.append(self._factor())
        return lambda labels: all(part(labels) for part in parts)

    def _factor(self) -> Predicate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH}")
        try:
            return self._unnested()
        finally:
            self._depth -= 1

    def _unnested(self) -> Predicate:
        if self._peek() == "not":
            self._take()
            inner = self._factor()
            return lambda labels: not inner(labels)
        if self._peek() == "(":
            self._take()
            inner = self.query()
            self._take(")")
            return inner
        label = self._word("a label")
        operator = self._take()
        if operator == "in":
            values = self._values()
            return lambda labels: labels.get(label) in values
        if operator not in {"=", "!="}:
            self._next -= 1
            raise self._error("=, != or in is expected here")
        value = self._word("a value")
        return lambda labels: (labels.get(label) == value) == (operator == "=")

    def _values(self) -> frozenset[str]:
        self._take("(")
        values = {self._word("a value")}
        while self._peek() == ",":
            self._take()
            values.add(self._word("a value"))
        self._take(")")
        return frozenset(values)
