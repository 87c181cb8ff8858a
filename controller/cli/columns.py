"""Tables of text: columns as wide as they need, some of them wrapped where the terminal is narrow."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

Cell = str | Text

GAP = 2
NARROWEST = 12


@dataclass(frozen=True)
class Column:
    """A heading, and how what stands under it is set."""

    title: str
    right: bool = False
    wraps: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int, indent: int = 0) -> Text:
    """Set `rows` in at most `width` columns if those that wrap allow it.

    Lines have no blanks at their ends, so that the same text is right on and off a terminal. Headings
    that are all empty are left out.
    """
    heading, lines = set_rows(columns, rows, width, indent)
    return Text("\n").join([heading, *lines] if heading.plain else lines)


def set_rows(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int, indent: int = 0
) -> tuple[Text, list[Text]]:
    """The heading, and each row by itself; a row may be of several lines."""
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    heading = [Text(column.title, style="dim") for column in columns]
    widths = [max(line[i].cell_len for line in (heading, *cells)) for i in range(len(columns))]
    excess = indent + sum(widths) + GAP * (len(columns) - 1) - width
    wrapping = [index for index, column in enumerate(columns) if column.wraps]
    for _ in range(max(0, excess) if wrapping else 0):
        widest = max(wrapping, key=lambda index: widths[index])
        widths[widest] = max(NARROWEST, widths[widest] - 1)
    set_heading, *lines = (_line(line, columns, widths, indent) for line in (heading, *cells))
    return set_heading, lines


def _line(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int], indent: int) -> Text:
    wrapped = [
        _wrap(cell, width) if column.wraps else [cell]
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    out = []
    for row in range(max(map(len, wrapped))):
        text = Text(" " * indent)
        for parts, column, width in zip(wrapped, columns, widths, strict=True):
            part = parts[row] if row < len(parts) else Text()
            blank = " " * max(0, width - part.cell_len)
            text.append_text(Text.assemble(blank, part) if column.right else Text.assemble(part, blank))
            text.append(" " * GAP)
        text.rstrip()
        out.append(text)
    return Text("\n").join(out)


def _wrap(cell: Text, width: int, separator: str = " · ") -> list[Text]:
    """Break into pieces of at most `width`: between facts if that will do, else between words."""
    if cell.cell_len <= width:
        return [cell]
    lines: list[Text] = []
    for part in cell.split(separator):
        if lines and lines[-1].cell_len + len(separator) + part.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], separator, part)
            continue
        if lines and separator.strip():
            lines[-1] = Text.assemble(lines[-1], separator.rstrip())
        lines += _wrap(part, width, " ") if separator != " " and part.cell_len > width else [part]
    return lines
