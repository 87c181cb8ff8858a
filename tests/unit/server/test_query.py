"""Group queries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.rollout.query import QueryError, parse

DEVICE = {"name": "dev-1", "class": "linux", "site": "north", "kind": "gateway"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("site=north", True),
        ("site=south", False),
        ("site!=south", True),
        ("nothing=north", False),
        ("nothing!=north", True),
        ("site=north and kind=gateway", True),
        ("site=north and kind=camera", False),
        ("site=south or kind=gateway", True),
        ("not site=south", True),
        ("not not site=north", True),
        ("not (site=north and kind=camera)", True),
        ("kind in (camera, gateway)", True),
        ("kind in (camera)", False),
        ("name=dev-1 and class=linux", True),
        ('site="north"', True),
        # `and` binds more tightly than `or`.
        ("site=north or site=south and kind=camera", True),
        ("(site=north or site=south) and kind=camera", False),
    ],
)
def test_queries(query: str, *, expected: bool) -> None:
    assert parse(query)(DEVICE) is expected


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("site", 5),
        ("site north", 6),
        ("site=", 6),
        ("site=north and", 15),
        ("(site=north", 12),
        ("site=north)", 11),
        ("kind in (a, )", 13),
        ("kind in a", 9),
        ("site=north kind=gateway", 12),
        ("and", 1),
        ("site & north", 6),
    ],
)
def test_errors_name_the_column(query: str, column: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert caught.value.where == f"column {column} of {query!r}"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("query", ["(" * 5000 + "a=b", "not " * 5000 + "a=b", "(" * 200 + "a=b" + ")" * 200])
def test_nesting_is_bounded(query: str) -> None:
    with pytest.raises(QueryError, match="nested deeper than 20"):
        parse(query)


@given(st.text(st.sampled_from("ab=!(),\"' andorti"), max_size=40))
def test_any_text_is_a_query_or_an_error(query: str) -> None:
    try:
        predicate = parse(query)
    except QueryError:
        return
    assert predicate(DEVICE) in (True, False)
