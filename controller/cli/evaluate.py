"""`fleet eval`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.build_screen import BuildScreen
from controller.cli.making import package_for
from controller.cli.modules import module_of
from controller.cli.options import Json, Model, Project, Target
from controller.cli.render_evaluate import render
from controller.cli.terminal import answers, emit, say
from controller.compiler import CalibrationError, ModelProject
from controller.compiler.accuracy import Judge
from controller.compiler.progress import Silent
from controller.compiler.reference import FloatModel
from controller.compiler.samples import load_samples
from controller.compiler.source import onnx_file
from controller.compiler.stages import Request, read_stage
from controller.inspection.evaluate import Evaluation, Subject, evaluate
from controller.inspection.pages import finite
from protocol.module import check


def evaluate_model(
    model: Model,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="X.npz", help="Labelled data, instead of the project's evaluation data."
        ),
    ] = None,
    target: Target = "simd",
    project: Project = None,
    json: Json = False,
) -> None:
    """Measure what int8 costs, on labelled data: in all, by class and by layer.

    fleet eval crop-model
    """
    opened = ModelProject.load(model, project)
    place = data
    if place is None and opened.evaluate is not None:
        place = opened.path(opened.evaluate.data)
    if place is None:
        raise CalibrationError(
            f"{opened.name} has no evaluation data",
            where=str(opened.folder),
            remedy="give --data X.npz: one array for each input, and label int64 [sample]",
        )
    package = package_for(model, project)
    wasm = module_of(package, target)
    meta = check(wasm)
    source, graph = read_stage(onnx_file(opened, Silent()), Request(opened.name, opened.shapes, {}), Silent())
    samples = load_samples(place, graph, "evaluation", labelled=True)
    budget = opened.evaluate.budget if opened.evaluate is not None else 100.0
    document = package.blobs[bytes.fromhex(meta.provenance["graph"])]
    with BuildScreen(model) as screen:
        judge = Judge(FloatModel(source, graph), samples, budget)
        done = evaluate(Subject(source, graph, wasm, document), judge, screen)
    if json:
        emit(_document(done))
    else:
        say(render(done, place.name, answers().width))
    if not done.exact or not done.accuracy.holds:
        raise typer.Exit(1)


def _document(done: Evaluation) -> dict[str, Any]:
    return {
        "model": done.meta.name,
        "version": done.meta.version,
        "target": done.meta.target,
        "samples": done.accuracy.samples,
        "float": done.accuracy.reference,
        "module": done.accuracy.module,
        "drop_points": done.accuracy.drop,
        "agreement": done.accuracy.agreement,
        "budget": done.accuracy.budget,
        "reference": {"accuracy": done.oracle, "samples": done.oracle_samples, "equal": done.exact},
        "classes": [
            {"name": c.name, "samples": c.samples, "float": c.reference, "module": c.module}
            for c in done.classes
        ],
        "layers": [
            finite({"index": n.index, "name": n.meta.name, "op": n.meta.op, "sqnr_db": n.decibels})
            for n in done.layers
        ],
    }
