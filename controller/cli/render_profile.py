"""What `fleet profile` shows: a line for each layer, then what the figures stand against."""

from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.inspection.profile import LayerProfile, Profile

NARROW, NARROW_NAME = 110, 12
"""Columns below which there are no bars, and names are cut to so many characters."""
_BAR = 10
_BLOCKS = " ▏▎▍▌▋▊▉█"


def render(done: Profile, width: int) -> Text:
    """The whole page."""
    meta = done.meta
    rate = f", {done.macs / done.run / 1e9:.3g} GMAC/s" if done.macs and done.run else ""
    head = (
        f"{meta.name} {meta.version}  {meta.target}  {text.span(done.run)} an inference on {done.place}  "
        f"{text.macs(done.macs)}{rate}"
    )
    longest = max((layer.share for layer in done.layers), default=1.0) or 1.0
    narrow = width < NARROW
    rows: list[list[Cell]] = [
        _row(index, layer, longest, limits=done.machine is not None, narrow=narrow)
        for index, layer in enumerate(done.layers)
    ]
    columns = [
        Column("#", right=True), Column("LAYER", wraps=True), Column("OP", wraps=True),
        Column("TIME", right=True), Column("SHARE"), Column("GMAC/S", right=True),
        Column("MOVES", right=True),
    ]  # fmt: skip
    if done.machine is not None:
        columns.append(Column("OF LIMIT", right=True))
    return Text("\n").join([Text(head), table(columns, rows, width, indent=2), *_closing(done)])


def _row(index: int, layer: LayerProfile, longest: float, *, limits: bool, narrow: bool) -> list[Cell]:
    bar = "" if narrow else _bar(layer.share / longest)
    share = f"{bar} {layer.share:4.0%}"
    row: list[Cell] = [
        str(index),
        _end_of(layer.meta.name) if narrow else layer.meta.name,
        layer.meta.detail,
        text.span(layer.seconds),
        share,
        f"{layer.gmacs:.1f}" if layer.gmacs is not None else "-",
        text.size(layer.nbytes),
    ]
    if limits:
        row.append(f"{layer.efficiency:.0%} {layer.bound}" if layer.efficiency is not None else "-")
    return row


def _end_of(name: str) -> str:
    """The end of an ONNX name tells it apart."""
    return name if len(name) <= NARROW_NAME else f"…{name[1 - NARROW_NAME :]}"


def _bar(share: float) -> str:
    """A bar in eighths of a character."""
    eighths = round(share * _BAR * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BLOCKS[rest] if rest else "")).ljust(_BAR)


def _closing(done: Profile) -> list[Text]:
    facts = [
        f"layers {text.span(done.layers_sum)}",
        f"whole run {text.span(done.run)}",
        f"medians of {text.some(done.rounds, 'round')}",
        f"a call from the host takes {text.span(done.call)} more",
    ]
    lines = [" · ".join(facts)]
    if done.machine is not None:
        peaks = " · ".join(f"{dtype} {rate / 1e9:.1f} GMAC/s" for dtype, rate in done.machine.peak.items())
        rates = sorted(done.machine.bandwidth.items())
        ends = (rates[0], rates[-1])
        copies = " · ".join(f"{rate / 1e9:.0f} GB/s within {text.size(size)}" for size, rate in ends)
        lines.append(f"limits of {done.machine.name}: {peaks} · copies {copies}")
    gains = [(layer.seconds - (layer.limit or 0.0), index) for index, layer in enumerate(done.layers)]
    above, index = max(gains, default=(0.0, -1))
    if index >= 0 and done.machine is not None and above > 0:
        layer = done.layers[index]
        lines.append(
            f"most to gain: {done.meta.describe_layer(index)}: {text.span(layer.seconds)}, "
            f"{text.span(above)} above its limit"
        )
    return [Text(line) for line in lines]
