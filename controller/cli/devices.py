"""`fleet devices`, `enroll`, `unenroll`, `label`."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import complete, parse, render_devices
from controller.cli.options import Device, Json
from controller.cli.terminal import answers, emit, say
from controller.client import Client, make_request
from protocol import api
from protocol.errors import InputError

DeviceIfAny = Annotated[
    str | None, typer.Argument(help="Only this device, in full.", autocompletion=complete.devices)
]
GroupIfAny = Annotated[
    str | None,
    typer.Option("--group", "-g", help="Only those of a group.", autocompletion=complete.groups),
]


def devices(device: DeviceIfAny = None, group: GroupIfAny = None, json: Json = False) -> None:
    """List the devices, or show one.

    fleet devices --group farm-a
    """
    with Client.from_environment() as client:
        found = client.device(device) if device else client.devices(group)
    if json:
        emit(found)
    elif isinstance(found, api.Device):
        say(render_devices.one(found, answers().width, time.time()))
    elif found:
        say(render_devices.many(found, answers().width, time.time()))
    else:
        say("no devices" + (f" in {group}" if group else " yet. Next: fleet enroll NAME"))


def enroll(
    name: Annotated[str, typer.Argument(help="Name for the device.")],
    device_class: Annotated[str, typer.Option("--class", help="Kind of device.")] = "linux",
    label: Annotated[list[str] | None, typer.Option("--label", help="KEY=VALUE; may be repeated.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; NAME.invite if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Invite a device: writes the file with which it joins.

    fleet enroll dev-1 --label site=north

    The file holds a token that is good once: carry it to the device, and run
    fleet-agent claim NAME.invite there.
    """
    labels = {key: value for key, value in parse.labels(label or []).items() if value is not None}
    request = make_request(api.DeviceCreate, name=name, device_class=device_class, labels=labels)
    target = out or Path(f"{name}.invite")
    if target.exists():
        raise InputError(f"{target} exists already", remedy="remove it, or give another --out")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}", where="--out")
    with Client.from_environment() as client:
        enrolment = client.create_device(request)
    invitation = bytes.fromhex(enrolment.invitation)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(invitation)
    except OSError as error:
        raise InputError(
            f"{name} is enrolled, but its invitation cannot be written: {error.strerror}",
            where=str(target),
            remedy=f"fleet unenroll {name}, then enroll it again with another --out",
        ) from error
    if json:
        emit({"device": enrolment.device, "file": str(target), "labels": labels})
    else:
        say(f"{name} is invited. Next, on the device: fleet-agent claim {target.name}")


def unenroll(device: Device, json: Json = False) -> None:
    """Forget a device; it keeps what it runs, and its reports are refused.

    fleet unenroll dev-1
    """
    with Client.from_environment() as client:
        client.delete_device(device)
    if json:
        emit({"device": device, "enrolled": False})
    else:
        say(f"{device} is forgotten; what it runs goes on running")


def label(
    device: Device,
    labels: Annotated[list[str], typer.Argument(help="KEY=VALUE sets a label, KEY- removes it.")],
    json: Json = False,
) -> None:
    """Set or remove labels of a device.

    fleet label dev-1 site=north kind=gateway
    """
    changes = parse.labels(labels)
    with Client.from_environment() as client:
        now = {**client.device(device).labels, **changes}
        changed = client.set_labels(device, {key: value for key, value in now.items() if value is not None})
    if json:
        emit(changed)
        return
    said = " ".join(f"{key}={value}" for key, value in sorted(changed.labels.items())) or "no labels"
    groups = f"; in {', '.join(changed.groups)}" if changed.groups else "; in no group"
    say(f"{device}  {said}{groups}")
