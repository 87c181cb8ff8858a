"""`fleet build`."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.build_screen import BuildScreen
from controller.cli.making import Made, make
from controller.cli.options import Json, Model, Project, Shapes
from controller.cli.parse import points, shapes
from controller.cli.programs import project_of
from controller.cli.terminal import emit, say
from controller.compiler import Accuracy, ModelProject, is_torch
from protocol.chunks import sha256
from protocol.errors import InputError

Targets = Annotated[list[str] | None, typer.Option("--target", help="Only this target; may be repeated.")]


def build(
    model: Model,
    project: Project = None,
    shape: Shapes = None,
    target: Targets = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the modules; PROJECT/build if not given.")
    ] = None,
    max_drop: Annotated[
        str | None,
        typer.Option(
            "--max-drop",
            metavar="PERCENT",
            help="Accuracy that int8 may cost, 0.5%; layers stay float32 until it holds.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Quantize, compile and check a model, without releasing it.

    fleet build crop-model
    """
    sizes = shapes(shape)
    with ExitStack() as stack:
        if is_torch(model):
            opened = stack.enter_context(project_of(model, sizes))
            folder = out or Path("build")
        else:
            opened = ModelProject.load(model, project)
            folder = out or opened.folder / "build"
        screen = stack.enter_context(BuildScreen(opened.name))
        made = make(opened, screen, shapes=sizes, targets=target, max_drop=points(max_drop))
    files = _write(made, folder)
    package = made.package
    if json:
        emit(_document(made, screen, files))
    elif is_torch(model):
        say(
            f"built {', '.join(map(str, files.values()))}. To release it, make a project of it: docs/guide.md"
        )
    else:
        say(
            f"built {package.model} {package.version}, not released yet. "
            f"Next: fleet push {package.model} --group GROUP"
        )


def _write(made: Made, folder: Path) -> dict[str, Path]:
    files = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, module in made.build.modules.items():
            files[target] = folder / f"{made.build.name}-{made.build.version}-{target}.wasm"
            files[target].write_bytes(module.wasm)
    except OSError as error:
        raise InputError(
            f"cannot write the modules: {error.strerror}", where=str(folder), remedy="give another --out"
        ) from error
    return files


def _document(made: Made, screen: BuildScreen, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "model": made.build.name,
        "version": made.build.version,
        "content": made.package.content.hex(),
        "modules": [
            {
                "target": target,
                "file": str(files[target]),
                "size": len(module.wasm),
                "sha256": sha256(module.wasm).hex(),
                "arena": module.meta.arena.size,
                "arena_bound": module.meta.arena_bound,
                "memory": module.meta.memory,
                "macs": sum(layer.macs for layer in module.meta.layers),
            }
            for target, module in made.build.modules.items()
        ],
        "accuracy": _accuracy(made.build.accuracy),
        "int8": list(made.build.layers_int8),
        "float32": dict(made.build.layers_float or {}),
        "stages": [vars(stage) for stage in screen.stages],
        "provenance": dict(made.build.provenance),
    }


def _accuracy(found: Accuracy | None) -> dict[str, Any] | None:
    return None if found is None else {**vars(found), "drop_points": found.drop}
