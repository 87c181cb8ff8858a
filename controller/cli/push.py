"""`fleet push`."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from controller.cli import complete, parse, render_rollout, text
from controller.cli.follow import Waiter, begun, deadline, follow
from controller.cli.key_folder import key_store
from controller.cli.options import Detach, Group, Json, Model, Observe, Project, Timeout
from controller.cli.passphrases import PassphraseFile
from controller.cli.signers import signer_names
from controller.cli.signing_files import finish, host, newest_chain
from controller.cli.terminal import STRONG, answers, emit, note, progress, say
from controller.cli.upload_screen import UploadScreen
from controller.client import Client, make_request
from controller.keys import KeyStore
from controller.keys.ceremony import sign_here
from controller.keys.request import ask, manifest_item
from controller.releases import Package, prepare, publish
from protocol import api
from protocol.errors import InputError
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
    to_sign: Annotated[
        Path | None,
        typer.Option("--to-sign", metavar="FILE", help="Upload it, and let others sign it from this file."),
    ] = None,
    passphrase_file: PassphraseFile = None,
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
        if to_sign is not None and version is None:
            _let_sign(client, package_for(model, project), to_sign, key_store(passphrase_file), json=json)
            return
        release = (
            client.release(model, version)
            if version
            else _release(client, package_for(model, project), key_store(passphrase_file))
        )
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


def package_for(model: str, project: Project) -> Package:
    """The package of a project: from the cache, or built now."""
    from controller.cli import making  # noqa: PLC0415 - the compiler is slow to import

    return making.package_for(model, project)


def _release(client: Client, package: Package, store: KeyStore) -> api.Release:
    def signers() -> list[Signer]:
        if store.roots():
            # Another desk may have given the role other keys.
            newest_chain(store, client)
        return [signer for _, signer in store.release_signers()]

    with UploadScreen() as screen:
        return publish(package, client, signers, screen.update).release


def _let_sign(client: Client, package: Package, file: Path, store: KeyStore, *, json: bool) -> None:
    """Upload a package, and write what its signers must sign."""
    with UploadScreen() as screen:
        manifest = prepare(package, client, screen.update)
    if manifest is None:
        raise InputError(
            f"{package.model} {package.version} is released already",
            remedy=f"fleet push {package.model} --version {package.version} --group GROUP",
        )
    chain = newest_chain(store, client)
    request = ask(chain, None, [manifest_item(manifest)], int(time.time()), host())
    finish(store, sign_here(store, request), None, file, json=json)


def _header(release: api.Release) -> Text:
    modules = " · ".join(f"{module.target} {text.size(module.size)}" for module in release.modules)
    return Text.assemble(
        (f"{release.model} {release.version}", STRONG),
        f"  {text.short(release.manifest)}   {modules}   signed by {signer_names(release.signers)}",
        "   encrypted" if release.confidential else "",
    )
