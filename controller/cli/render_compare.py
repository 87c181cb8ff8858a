"""What `fleet debug compare` shows: the verdict on every layer, then the first that differs."""

from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.cli.terminal import NEEDS_YOU, SETTLED, STRONG
from controller.inspection.compare import ComparedLayer, Comparison, Difference


def render(done: Comparison, width: int) -> Text:
    """The whole page."""
    columns = [
        Column("#", right=True), Column("LAYER", wraps=True), Column("OP", wraps=True), Column("OUTPUT"),
        Column("VERDICT"), Column("ELEMENTS", right=True), Column("LARGEST", right=True),
    ]  # fmt: skip
    rows = [_row(index, layer, first=index == done.first) for index, layer in enumerate(done.layers)]
    return Text("\n").join([table(columns, rows, width, indent=2), *_verdict(done)])


def _row(index: int, layer: ComparedLayer, *, first: bool) -> list[Cell]:
    difference = layer.difference
    colour = {"equal": SETTLED, "differs": NEEDS_YOU, "moved": ""}[layer.verdict]
    verdict = Text(layer.verdict, f"{STRONG} {colour}" if first else colour)
    if layer.nonfinite:
        verdict.append(f" · {layer.nonfinite:,} not finite", NEEDS_YOU)
    return [
        str(index),
        layer.meta.name,
        layer.meta.detail,
        "x".join(map(str, layer.meta.shape)) or "scalar",
        verdict,
        f"{difference.count:,} of {difference.elements:,}" if difference else "-",
        _figure(difference.largest) if difference else "-",
    ]


def _verdict(done: Comparison) -> list[Text]:
    compared = sum(layer.verdict != "moved" for layer in done.layers)
    name = f"{done.meta.name} {done.meta.version} {done.meta.target}"
    if done.first is None:
        layers = text.some(compared, "layer")
        return [Text.assemble((f"{name} and the oracle are equal", SETTLED), f" in {layers}, bit for bit")]
    difference = done.layers[done.first].difference
    where = done.meta.describe_layer(done.first)
    lines = [Text.assemble((f"first difference in {where}", f"{STRONG} {NEEDS_YOU}"))]
    return [*lines, *(Text(f"  {line}") for line in _details(difference))] if difference else lines


def _details(difference: Difference) -> list[str]:
    at = ", ".join(map(str, difference.at))
    places = " ".join(f"[{','.join(map(str, place))}]" for place in difference.places)
    more = " …" if difference.count > len(difference.places) else ""
    count = f"{difference.count:,} of {difference.elements:,} elements"
    return [
        f"{count} differ, by at most {_figure(difference.largest)}",
        f"at [{at}] the module has {_figure(difference.found)}, the oracle {_figure(difference.expected)}",
        f"places {places}{more}",
    ]


def _figure(value: float) -> str:
    return f"{value:.6g}"
