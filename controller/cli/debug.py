"""`fleet debug`: what to look at when an answer is wrong."""

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli import text
from controller.cli.app import Command, family
from controller.cli.arrays import Inputs, read_inputs
from controller.cli.making import package_for
from controller.cli.modules import module_of, read_module
from controller.cli.options import Json, Model, Project, Target
from controller.cli.render_compare import render
from controller.cli.terminal import answers, emit, note, say
from controller.cli.writing import write_text
from controller.inspection.compare import ComparedLayer, Comparison
from controller.inspection.compare import compare as run_both
from controller.inspection.errors import OtherGraphError
from controller.inspection.pages import compare_page, finite
from protocol.module import check

app = family("Find out why a model answers as it does.\n\nfleet debug compare crop-model --input x.npy")


# A family of one command would be taken for that command.
@app.callback()
def _family() -> None:
    pass


@app.command("compare", cls=Command)
def compare(
    model: Model,
    given: Inputs = None,
    target: Target = "simd",
    module: Annotated[
        Path | None,
        typer.Option("--module", metavar="FILE.wasm", help="This module instead of the built one."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page.")] = None,
    project: Project = None,
    json: Json = False,
) -> None:
    """Run module and reference layer by layer; name the first that differs.

    fleet debug compare crop-model --input x.npy
    """
    package = package_for(model, project)
    wasm = read_module(module) if module is not None else module_of(package, target)
    meta = check(wasm)
    graph = package.blobs.get(bytes.fromhex(meta.provenance.get("graph", "")))
    if graph is None:
        raise OtherGraphError(meta, meta.provenance.get("graph"))
    inputs = read_inputs(given or (), meta)
    layers = text.some(len(meta.layers), "layer")
    note(f"running {meta.name} {meta.version} for {meta.target} and the oracle, {layers}")
    done = run_both(wasm, graph, inputs)
    if html is not None:
        write_text(html, compare_page(done))
    if json:
        emit(document(done))
    else:
        say(render(done, answers().width))
    if done.first is not None:
        raise typer.Exit(1)


def document(done: Comparison) -> dict[str, Any]:
    """The comparison as `--json` prints it."""
    return {
        "model": done.meta.name,
        "version": done.meta.version,
        "target": done.meta.target,
        "equal": done.first is None,
        "first": done.first,
        "layer": None if done.first is None else done.meta.describe_layer(done.first),
        "layers": [_layer(index, layer) for index, layer in enumerate(done.layers)],
    }


def _layer(index: int, layer: ComparedLayer) -> dict[str, Any]:
    difference = layer.difference
    return {
        "index": index,
        "name": layer.meta.name,
        "op": layer.meta.op,
        "verdict": layer.verdict,
        "nonfinite": layer.nonfinite,
        "difference": None if difference is None else finite(vars(difference)),
    }
