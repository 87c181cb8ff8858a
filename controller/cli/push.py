"""`fleet push`."""

from typing import Annotated

import typer
from rich.text import Text

from controller.cli import complete, parse, render_rollout, text
from controller.cli.follow import Waiter, begun, deadline, follow
from controller.cli.key_folder import key_store
from controller.cli.options import Detach, Group, Json, Model, Observe, Project, Timeout
from controller.cli.signers import signer_names
from controller.cli.terminal import STRONG, answers, emit, note, progress, say
from controller.cli.upload_screen import UploadScreen
from controller.client import Client, make_request
from controller.releases import publish
from protocol import api
from protocol.keys import Signer


def push(
    model: Model,
    group: Group,
    version: Annotated[
        str | None,
        typer.Option(
            "--version", help="A release that exists; builds nothing.", autocompletion=complete.versions
        ),
    ] = None,
    project: Project = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent to whom. Releases, assigns nothing.")
    ] = False,
    detach: Detach = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again on devices that gave this release up.")
    ] = False,
    allow_interface_change: Annotated[
        bool,
        typer.Option("--allow-interface-change", help="Although inputs or outputs differ from what runs."),
    ] = False,
    observe: Observe = "20,30s",
    device_timeout: Annotated[
        str,
        typer.Option(
            "--device-timeout", metavar="TIME", help="A device online that takes longer has failed."
        ),
    ] = "1h",
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Deliver a model to every device of a group; builds and releases it if need be.

    fleet push crop-model --group farm-a

    Ctrl-C leaves, and the push goes on.
    """
    limit = parse.seconds(timeout, "--timeout") if timeout else None
    chosen = {
        "model": model, "group": group, "dry_run": dry_run, "retry_failed": retry_failed,
        "allow_interface_change": allow_interface_change, "observe": parse.observation(observe),
        "timeout": parse.seconds(device_timeout, "--device-timeout"),
    }  # fmt: skip
    # Checked with any version first: a wrong option or group should not cost a build.
    make_request(api.PushRequest, version=version or "0", **chosen)
    with Client.from_environment() as client:
        client.group(group)
        release = client.release(model, version) if version else _release(client, model, project)
        progress().print(_header(release), soft_wrap=True)
        request = make_request(api.PushRequest, version=release.version, **chosen)
        if dry_run:
            plan = client.plan_push(request)
            if json:
                emit(plan)
            else:
                say(render_rollout.plan(plan, answers().width))
            return
        started = client.push(request)
        if detach:
            begun(started, json=json)
            return
        devices = text.some(len(started.plan.devices), "device")
        unfit = any(device.target is None for device in started.plan.devices)
        hint = " (fleet push --dry-run shows why)" if unfit else ""
        note(f"{group:<16}  {devices}: {render_rollout.targets(started.plan.devices)}{hint}\n")
        follow(Waiter(client, started.rollout, deadline(limit)), json=json)


def _release(client: Client, model: str, project: Project) -> api.Release:
    from controller.cli.making import package_for  # noqa: PLC0415 - the compiler is slow to import

    package = package_for(model, project)

    def signers() -> list[Signer]:
        return [signer for _, signer in key_store().release_signers()]

    with UploadScreen() as screen:
        return publish(package, client, signers, screen.update).release


def _header(release: api.Release) -> Text:
    modules = " · ".join(f"{module.target} {text.size(module.size)}" for module in release.modules)
    return Text.assemble(
        (f"{release.model} {release.version}", STRONG),
        f"  {text.short(release.manifest)}   {modules}   signed by {signer_names(release.signers)}",
    )
