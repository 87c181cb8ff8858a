"""What `fleet eval` shows: three accuracies, then the classes, then the layers that lose most."""

import math

from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.inspection.evaluate import Evaluation

WORST = 8
"""Layers that are shown."""


def render(done: Evaluation, data: str, width: int) -> Text:
    """The whole page."""
    meta, found = done.meta, done.accuracy
    head = f"{meta.name} {meta.version}  {meta.target}  {text.some(found.samples, 'sample')} of {data}"
    same = "as the module, bit for bit" if done.exact else "the module differs: fleet debug compare"
    summary: list[list[Cell]] = [
        ["float", _percent(found.reference), "the ONNX file in onnxruntime"],
        ["reference", _percent(done.oracle), f"of {text.some(done.oracle_samples, 'sample')}; {same}"],
        [
            "module",
            _percent(found.module),
            f"{_difference(found.drop)}; answers as float on {_percent(found.agreement)}",
        ],
    ]
    plain = [Column(""), Column("", right=True), Column("", wraps=True)]
    parts = [Text(head), table(plain, summary, width, indent=2), Text(), _classes(done, width)]
    if done.layers:
        parts += [Text(), _layers(done, width)]
    return Text("\n").join([*parts, Text(_verdict(done))])


def _classes(done: Evaluation, width: int) -> Text:
    rows: list[list[Cell]] = [
        [c.name, text.count(c.samples), _percent(c.reference), _percent(c.module),
         f"{100 * (c.module - c.reference):+.1f}"]
        for c in done.classes
    ]  # fmt: skip
    columns = [
        Column("CLASS", wraps=True), Column("SAMPLES", right=True), Column("FLOAT", right=True),
        Column("MODULE", right=True), Column("POINTS", right=True),
    ]  # fmt: skip
    return table(columns, rows, width, indent=2)


def _layers(done: Evaluation, width: int) -> Text:
    rows: list[list[Cell]] = [
        [str(n.index), n.meta.name, n.meta.detail, n.meta.dtype,
         "exact" if n.decibels == math.inf else f"{n.decibels:.1f} dB"]
        for n in done.layers[:WORST]
    ]  # fmt: skip
    columns = [
        Column("#", right=True), Column("WORST LAYERS", wraps=True), Column("OP", wraps=True), Column("TYPE"),
        Column("SIGNAL/NOISE", right=True),
    ]  # fmt: skip
    return table(columns, rows, width, indent=2)


def _verdict(done: Evaluation) -> str:
    found = done.accuracy
    if not done.exact:
        return "the module and the reference differ: this is a bug, please report it"
    if not found.holds:
        return f"over the budget of {found.budget:g} points. Next: fleet build {done.meta.name} --max-drop"
    return f"within the budget of {found.budget:g} points"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _difference(drop: float) -> str:
    if abs(drop) < 0.005:
        return "no points lost"
    return f"{abs(drop):.2f} points {'lost' if drop > 0 else 'won'}"
