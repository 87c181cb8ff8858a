"""The generated part of docs/operators.md: what of the official suite passes, and why the rest does not."""

import re
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from controller.compiler.frontend.operators import IMPORTERS
from controller.compiler.ir.operators import OPERATORS
from tests.support.fresh_inputs import NO_REFERENCE
from tests.support.onnx_suite import Outcome, cases, kind, operator

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
BEGIN, END = "<!-- scripts/bench onnx --table writes this part -->\n", "<!-- end of that part -->\n"

PARTS = ("plain", "expanded", "all")

_FUSED = frozenset(
    {
        *(
            "BatchNormalization",
            "Clip",
            "Dropout",
            "Gemm",
            "GlobalMaxPool",
            "HardSigmoid",
            "HardSwish",
            "Pad",
        ),
        *("Relu", "Sigmoid"),
    }
)
"""Operators that have an int8 form under another name, or as a part of their neighbour."""


def has_int8(op: str) -> bool:
    """Whether quantizing a model can make the operator int8."""
    return op in _FUSED or (op in OPERATORS and OPERATORS[op].quantized in ("rescale", "copy"))


def generated(outcomes: Mapping[str, Outcome], figures: Mapping[str, int]) -> str:
    """The part between the marks.

    Args:
        outcomes: Of all cases.
        figures: From `tests.bench.onnx.counts`.
    """
    plain = {name: outcome for name, outcome in outcomes.items() if kind(cases()[name]) == "plain"}
    passed: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    refused: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, outcome in sorted(plain.items()):
        op = operator(cases()[name])
        total[op] += 1
        passed[op] += outcome.status == "passed"
        if outcome.status != "passed":
            refused[op, _reason(outcome)].append(name.removeprefix("test_"))
    rows = [
        f"| {op} | {_share(passed[op], total[op])} | {'yes' if has_int8(op) else ''} |"
        for op in sorted({*total, *IMPORTERS})
    ]
    reasons = [f"| {op} | {why} | {', '.join(names)} |" for (op, why), names in sorted(refused.items())]
    return "\n".join(
        [
            f"Of the suite of onnx {version('onnx')} pass:",
            "",
            *(f"- {_share(figures[f'{part}_passed'], figures[f'{part}_total'])} {part}" for part in PARTS),
            "",
            f"{sum(outcome.fresh for outcome in outcomes.values())} of them on inputs drawn anew as well; "
            "`onnx.reference` is no judge of "
            + "; ".join(f"{name.removeprefix('test_')} ({why})" for name, why in NO_REFERENCE.items())
            + ".",
            "",
            "| operator | plain cases | int8 |",
            "|---|---|---|",
            *rows,
            "",
            "| refused | why | cases |",
            "|---|---|---|",
            *reasons,
            "",
        ]
    )


def _share(passed: int, total: int) -> str:
    return f"{passed} of {total}" if total else ""


def _reason(outcome: Outcome) -> str:
    """In words that do not depend on the case."""
    text = re.sub(r"^cannot compile node \S+ \((\w+)\): ", r"\1: ", outcome.reason)
    if outcome.status == "failed":
        text = text.partition(" Mismatched")[0]
    return text.replace("|", "\\|").replace("\n", " ")


def write(outcomes: Mapping[str, Outcome], figures: Mapping[str, int]) -> None:
    """Put the generated part into the page."""
    before, _, after = parts()
    PAGE.write_text(f"{before}{BEGIN}\n{generated(outcomes, figures)}\n{END}{after}")


def parts() -> tuple[str, str, str]:
    """The page before, inside and after the marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    inside, _, after = rest.partition(END)
    return before, inside, after


def committed() -> tuple[dict[str, tuple[int, int]], frozenset[str], int]:
    """What the page says.

    Returns:
        By operator its plain cases that pass, and all of them; names of the refused ones; how many pass.
    """
    _, inside, _ = parts()
    rows = re.findall(r"^\| (\w+) \| (?:(\d+) of (\d+))? ?\|", inside, re.MULTILINE)
    refused = re.findall(
        r"^\| \w+ \| [^\n]* \| ([\w, ]+) \|$", inside.partition("| refused |")[2], re.MULTILINE
    )
    figure = re.search(r"^- (\d+) of \d+ plain$", inside, re.MULTILINE)
    assert figure is not None
    return (
        {op: (int(passed or 0), int(total or 0)) for op, passed, total in rows},
        frozenset(f"test_{name}" for names in refused for name in names.split(", ")),
        int(figure[1]),
    )
