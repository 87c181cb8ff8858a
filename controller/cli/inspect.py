"""`fleet inspect`."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from controller.cli import complete, text
from controller.cli.columns import Cell, Column, table
from controller.cli.making import package_for
from controller.cli.modules import is_file, module_of, read_module
from controller.cli.options import Json, Project, Target
from controller.cli.releases import tensor
from controller.cli.terminal import answers, emit, say
from controller.cli.writing import write_text
from controller.compiler import Instance, ModelProject
from controller.inspection.pages import module_page
from controller.inspection.weights import project_weights, stored_weights
from protocol.module import PAGE, ModuleMeta, check, sections
from protocol.wasm import CODE


def inspect(
    model: Annotated[
        str,
        typer.Argument(
            metavar="FILE.wasm|MODEL",
            help="A module file, or a model that is built if need be.",
            autocompletion=complete.models,
        ),
    ],
    target: Target = "simd",
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page: graph, arena over time, weights."),
    ] = None,
    project: Project = None,
    json: Json = False,
) -> None:
    """Show the layers, sizes, memory plan and provenance of a module file.

    fleet inspect crop-model-1.3.0-simd.wasm
    """
    if is_file(model):
        wasm = read_module(Path(model))
        meta = check(wasm)
        weights = stored_weights(meta, Instance(wasm).read) if html is not None else []
    else:
        package = package_for(model, project)
        wasm = module_of(package, target)
        meta = check(wasm)
        graph = package.blobs[bytes.fromhex(meta.provenance["graph"])]
        weights = project_weights(meta, graph, ModelProject.load(model, project)) if html is not None else []
    if html is not None:
        write_text(html, module_page(wasm, weights))
    code = sum(section.end - section.start for section in sections(wasm) if section.id == CODE)
    if json:
        emit({**meta.model_dump(mode="json"), "file_size": len(wasm), "code_size": code})
    else:
        say(render(meta, len(wasm), code, answers().width))


def render(meta: ModuleMeta, size: int, code: int, width: int) -> Text:
    """The whole page."""
    base = meta.arena.offset
    digits = max((len(str(layer.offset - base + layer.size)) for layer in meta.layers), default=1)
    rows: list[list[Cell]] = [
        [
            str(index),
            layer.name,
            layer.detail,
            "x".join(map(str, layer.shape)) or "scalar",
            text.count(layer.macs) if layer.macs else "-",
            text.size(layer.weight_bytes) if layer.weight_bytes else "-",
            f"{layer.offset - base:>{digits}}-{layer.offset - base + layer.size:>{digits}}",
        ]
        for index, layer in enumerate(meta.layers)
    ]
    columns = [
        Column("#", right=True), Column("LAYER", wraps=True), Column("OP"), Column("OUTPUT"),
        Column("MACS", right=True), Column("WEIGHTS", right=True), Column("ARENA", right=True),
    ]  # fmt: skip
    head = f"{meta.name} {meta.version}  {meta.target}  {text.size(size)}  abi {text.abi(meta.abi)}"
    ends = [
        *(f"  in   {tensor(meta_in)}" for meta_in in meta.inputs),
        *(f"  out  {tensor(meta_out)}" for meta_out in meta.outputs),
    ]
    state = f" · state {text.size(meta.state.size)}" if meta.state else ""
    sums = (
        f"arena {text.size(meta.arena.size)} (bound {text.size(meta.arena_bound)}){state}"
        f" · memory {_memory(meta.memory)}"
        f" · weights {text.size(sum(layer.weight_bytes for layer in meta.layers))}"
        f" · code {text.size(code)} · {text.macs(sum(layer.macs for layer in meta.layers))}"
    )
    parts = [Text(head), *map(Text, ends), table(columns, rows, width, indent=2), Text(sums)]
    if meta.provenance:
        origin = " · ".join(f"{name} {_brief(value)}" for name, value in sorted(meta.provenance.items()))
        parts.append(table([Column(""), Column("", wraps=True)], [["built from", origin]], width))
    return Text("\n").join(parts)


def _memory(size: int) -> str:
    """In pages; for boards, which give a module no more than it needs, in bytes."""
    return text.size(size) if size % PAGE else f"{size // PAGE} x 64 KiB"


def _brief(value: str) -> str:
    """A digest by its beginning; `--json` has all of it."""
    return text.short(value) if re.fullmatch("[0-9a-f]{64}", value) else value
