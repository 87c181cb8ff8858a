"""docs/operators.md and the importers name the same operators."""

import re
from pathlib import Path

from controller.compiler.frontend.operators import IMPORTERS
from controller.compiler.ir.operators import OPERATORS, UNLOWERED
from controller.compiler.plan.lower import LOWERINGS

ROOT = Path(__file__).parents[3]


def test_every_operator_that_compiles_is_listed():
    rows = re.findall(
        r"^\| ([A-Z][A-Za-z, ]+) \|", (ROOT / "docs" / "operators.md").read_text(), re.MULTILINE
    )
    listed = {name for row in rows for name in row.split(", ")}
    assert listed == set(IMPORTERS)


def test_the_graph_document_lists_the_operators_of_the_graph():
    text = (ROOT / "docs" / "spec" / "graph.md").read_text()
    rows = re.findall(r"^\| (`[A-Z][^|]+) \|", text, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([A-Za-z]+)`", row)}
    assert listed == set(OPERATORS) - UNLOWERED


def test_every_operator_of_the_graph_is_lowered():
    assert set(LOWERINGS) == set(OPERATORS) - UNLOWERED
