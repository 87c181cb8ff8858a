"""The result of a run as JSON and as text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.bench.inference.figures import verdicts

ENGINES = {
    "onnxruntime_int8": "ort int8",
    "onnxruntime_float": "ort float",
    "wasmtime": "wasmtime",
    "wasmtime_inside": "·inside",
    "wasmtime_relaxed": "relaxed",
    "native128": "·native128",
    "ortweb_int8": "web int8",
    "ortweb_float": "web float",
    "litert": "LiteRT.js",
    "node": "Node",
    "node_inside": "·inside",
    "node_relaxed": "relaxed",
    "agent_pipe": "agent pipe",
    "agent_http": "agent HTTP",
}
"""Engine → heading; a point: a loop without a call from outside."""


def show(value: float) -> str:
    """Three significant digits, or all of a large number."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, the first one to the left."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines) + "\n"


def text(result: Mapping[str, Any]) -> str:
    """What a person reads."""
    medians: Mapping[str, Mapping[str, float]] = result["median_seconds"]
    engines = [engine for engine in ENGINES if any(engine in times for times in medians.values())]
    rows = [["ms of one inference", *(ENGINES[engine] for engine in engines)]]
    for model, times in medians.items():
        rows.append([model, *(show(times[e] * 1000) if e in times else "-" for e in engines)])
    parts = [table(rows), table([("figure", "value", "target", ""), *verdicts(result, show)])]
    failures = [
        f"{' '.join(filter(None, (model, engine)))}: {reason.splitlines()[0]}\n"
        for model, engines in result["errors"].items()
        for engine, reason in engines.items()
    ]
    return "\n".join(parts) + ("\n" + "".join(failures) if failures else "")
