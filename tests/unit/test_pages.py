"""The table of bad input names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NAMED = re.findall(r"`([\w/]+\.py)(?:::(\w+))?` \|$", (TESTS / "bad_input.md").read_text(), re.MULTILINE)


def test_the_table_is_read():
    assert len(NAMED) > 20


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_test_exists(file, name):
    text = (TESTS / file).read_text()
    assert not name or re.search(rf"^\s*def {name}\(", text, re.MULTILINE)
