"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli import complete

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Model = Annotated[str, typer.Argument(help="Name of the model.", autocompletion=complete.models)]
Device = Annotated[str, typer.Argument(help="Name of the device.", autocompletion=complete.devices)]
Version = Annotated[str, typer.Argument(help="Version of the release.", autocompletion=complete.versions)]
Group = Annotated[
    str, typer.Option("--group", "-g", help="Group of devices.", autocompletion=complete.groups)
]
GroupArgument = Annotated[str, typer.Argument(help="Name of the group.", autocompletion=complete.groups)]
Rollout = Annotated[int, typer.Argument(help="Number of the rollout.", autocompletion=complete.rollouts)]
Project = Annotated[
    Path | None,
    typer.Option("--project", help="Folder of the model project, instead of modules/MODEL above here."),
]
Target = Annotated[str, typer.Option("--target", help="Which module of a model.")]
Detach = Annotated[bool, typer.Option("--detach", help="Begin, and do not wait for the end.")]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="Wait this long (90s, 10m, 2h), then leave with exit 6."),
]
Observe = Annotated[
    str,
    typer.Option(
        "--observe", metavar="N,TIME", help="Inferences or time, whichever first, before a device confirms."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="FLEET_DATA", help="The controller's data folder.", show_default=False),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", metavar="NAME=N,…", help="Close an open shape; may be repeated."),
]
