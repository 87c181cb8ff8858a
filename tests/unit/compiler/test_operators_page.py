"""docs/operators.md and the importers name the same operators."""

import re
from pathlib import Path

from controller.compiler.frontend.operators import IMPORTERS
from controller.compiler.ir.operators import OPERATORS, UNLOWERED
from controller.compiler.plan.lower import LOWERINGS
from tests.bench.operators_page import committed, has_int8, parts

ROOT = Path(__file__).parents[3]


def test_every_operator_that_compiles_is_listed():
    rows, refused, passed = committed()
    assert set(IMPORTERS) <= rows.keys()
    assert sum(ok for ok, _ in rows.values()) == passed
    assert sum(total for _, total in rows.values()) == passed + len(refused)


def test_the_page_says_what_can_be_int8():
    _, inside, _ = parts()
    marks = dict(
        re.findall(r"^\| (\w+) \| [\w ]*\| (yes)? ?\|$", inside.partition("| refused |")[0], re.MULTILINE)
    )
    assert {op for op, mark in marks.items() if mark} == {op for op in marks if has_int8(op)}


def test_remarks_are_about_operators_that_compile():
    _, _, after = parts()
    assert set(re.findall(r"^## (\w+)$", after, re.MULTILINE)) <= set(IMPORTERS)


def test_the_graph_document_lists_the_operators_of_the_graph():
    text = (ROOT / "docs" / "spec" / "graph.md").read_text()
    rows = re.findall(r"^\| (`[A-Z][^|]+) \|", text, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert listed == set(OPERATORS) - UNLOWERED


def test_every_operator_of_the_graph_is_lowered():
    assert set(LOWERINGS) == set(OPERATORS) - UNLOWERED
