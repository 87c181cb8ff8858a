"""The tree of commands. A command's file is imported only when it runs, so that `fleet` starts fast."""

import importlib
import inspect
import traceback
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from controller.cli.terminal import print_error
from protocol.errors import FleetError


@dataclass(frozen=True)
class Entry:
    """Where a command is; `module` has it under `name`, as a function or as a group of commands."""

    module: str
    name: str
    summary: str


def _entry(module: str, name: str, summary: str) -> Entry:
    return Entry(f"controller.cli.{module}", name, summary)


COMMANDS = {
    "up": _entry("up", "up", "Run the controller and its broker until Ctrl-C."),
    "status": _entry("status", "status", "Show how the fleet stands, beginning with what needs you."),
    "why": _entry("why", "why", "Say why a device runs what it runs."),
    "build": _entry("build", "build", "Quantize, compile and check a model, without releasing it."),
    "compile": _entry("compile", "compile_file", "Compile any ONNX file to one module, without a project."),
    "run": _entry("run", "run_module", "Run a module file on arrays, or sequences of them, and time it."),
    "push": _entry("push", "push", "Deliver a model to every device of a group."),
    "rollback": _entry("reverse", "rollback", "Take a group back to the release it wanted before this one."),
    "remove": _entry("reverse", "remove", "Take a model off every device of a group."),
    "rollout": _entry("rollouts", "app", "List, follow and steer rollouts."),
    "release": _entry("releases", "app", "List, show, verify, sign and withdraw releases."),
    "inspect": _entry(
        "inspect", "inspect", "Show the layers, sizes, memory plan and provenance of a module file."
    ),
    "eval": _entry("evaluate", "evaluate_model", "Measure what int8 costs, on labelled data."),
    "profile": _entry("profile", "profile", "Show where an inference spends its time, layer by layer."),
    "debug": _entry("debug", "app", "Find out why a model answers as it does."),
    "devices": _entry("devices", "devices", "List the devices, or show one."),
    "enroll": _entry("devices", "enroll", "Invite a device: writes the file with which it joins."),
    "unenroll": _entry("devices", "unenroll", "Forget a device; it keeps what it runs."),
    "label": _entry("devices", "label", "Set or remove labels of a device."),
    "group": _entry("groups", "app", "List and change groups of devices."),
    "login": _entry("login", "login", "Remember a controller and your token for it."),
    "token": _entry("tokens", "app", "Make, list and revoke tokens of people and programs."),
    "app": _entry("apps", "app", "Admit applications that ask devices over MQTT, list and remove them."),
    "audit": _entry("audit", "app", "Show who changed what, and prove that it is unaltered."),
    "keys": _entry("keys", "app", "Make, show and change the signing keys, and who may sign what."),
    "sign": _entry("sign", "sign", "Sign what waits in a file; publish it once enough have signed."),
}


class _HelpFirst:
    """Help that opens with its sentence and its example, as they stand in the docstring."""

    help: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write sentence and example, then usage, then the options."""
        lines = inspect.cleandoc(self.help or "").splitlines()
        formatter.write("\n".join(f"    {line}" if line.startswith("fleet ") else line for line in lines))
        formatter.write("\n\n")
        self.format_usage(ctx, formatter)  # type: ignore[attr-defined]  # of the class this is mixed into
        self.format_options(ctx, formatter)  # type: ignore[attr-defined]  # likewise


class Command(_HelpFirst, TyperCommand):
    """A command."""


class Group(_HelpFirst, TyperGroup):
    """A family of commands."""


class LazyGroup(Group):
    """The root: knows its commands' names and summaries, imports one when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        """All names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the signature is typer's
        """Import and build one command."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the signature is typer's
        """List all commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def family(summary: str) -> typer.Typer:
    """A group of commands, for the files that hold one."""
    return typer.Typer(
        cls=Group, help=summary, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )


def load(name: str) -> Any:
    """Import the command of that name."""
    entry = COMMANDS[name]
    item = getattr(importlib.import_module(entry.module), entry.name)
    if not isinstance(item, typer.Typer):
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name, cls=Command)(item)
        item = alone
    command = typer.main.get_command(item)
    command.name = name
    return command


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fleet {distribution_version('modelfleet')}")
        raise typer.Exit


def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show a stack trace with errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Put neural networks onto fleets of devices: build, sign, deliver, watch, go back.

    fleet push crop-model --group farm-a
    """


def make_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        cls=LazyGroup, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.callback(cls=LazyGroup)(_root)
    return app


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code; never raises."""
    # Wherever it stands: nobody repeats a failed command with the option in the right place.
    debug = "--debug" in arguments
    words = [word for word in arguments if word != "--debug"]
    try:
        make_app()(args=words, prog_name="fleet")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except FleetError as error:
        if debug:
            traceback.print_exc()
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            raise
        print_error(
            FleetError(
                f"fleet itself failed: {type(error).__name__}: {error}",
                remedy="this is a bug; repeat the command with --debug and report what it prints",
            )
        )
        return 1
    return 0
