"""`fleet profile`."""

import json as encoder
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli import complete
from controller.cli.arrays import Inputs, read_inputs
from controller.cli.modules import find_module, is_file
from controller.cli.options import Json, Project, Target
from controller.cli.render_profile import render
from controller.cli.terminal import answers, emit, note, say
from controller.cli.writing import write_text
from controller.client import Client
from controller.client.requests import make_request
from controller.inspection.flame import speedscope as to_speedscope
from controller.inspection.machine import this_machine
from controller.inspection.pages import profile_page
from controller.inspection.profile import (
    LayerProfile,
    Profile,
    against,
    evaluate,
    is_faster_than_possible,
    profile_module,
)
from protocol import api
from protocol.errors import FleetError, InputError, TimedOutError
from protocol.module import ModuleMeta, check
from protocol.profiling import Timing

LONG_POLL = 10
"""Seconds."""


def profile(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|FILE.wasm", help="A model, or a module file.", autocompletion=complete.models
        ),
    ],
    target: Target = "simd",
    given: Inputs = None,
    repeat: Annotated[
        int | None,
        typer.Option("--repeat", min=1, metavar="N", help="Rounds; as many as fit into 1 s if not given."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with flame graph and roofline."),
    ] = None,
    speedscope: Annotated[
        Path | None, typer.Option("--speedscope", metavar="FILE", help="Write a file for speedscope.app.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="On this device, over MQTT.", autocompletion=complete.devices),
    ] = None,
    project: Project = None,
    json: Json = False,
) -> None:
    """Show where an inference spends its time, layer by layer.

    fleet profile crop-model --html profile.html
    """
    if device is None:
        done = _here(find_module(model, project, target), given, repeat)
    else:
        done = _there(device, model, given, repeat)
    if html is not None:
        write_text(html, profile_page(done))
    if speedscope is not None:
        write_text(speedscope, encoder.dumps(to_speedscope(done)))
    if json:
        emit(document(done))
    else:
        say(render(done, answers().width))


def _here(wasm: bytes, given: list[str] | None, repeat: int | None) -> Profile:
    meta = check(wasm)
    note(f"profiling {meta.name} {meta.version} for {meta.target} on this machine")
    done = profile_module(wasm, read_inputs(given or (), meta), rounds=repeat)
    compared = against(done, this_machine(meta.target))
    if is_faster_than_possible(compared):
        compared = against(done, this_machine(meta.target, again=True))
    return compared


def _there(device: str, model: str, given: list[str] | None, repeat: int | None) -> Profile:
    if given or is_file(model):
        raise InputError(
            "a device profiles what it runs, on pseudo-random inputs",
            where=f"--device {device}",
            remedy=f"fleet profile MODEL --device {device}",
        )
    request = make_request(api.ProfileRequest, model=model, rounds=repeat)
    with Client.from_environment() as client:
        answer = client.start_profile(device, request)
        note(f"profiling {model} on {device}, beside what it serves")
        while answer.state == "waiting":
            answer = client.profile(device, answer.id, wait=LONG_POLL)
    if answer.state == "lost":
        raise TimedOutError(
            f"{device} did not answer in time", remedy=f"fleet why {device}; is its agent of this version?"
        )
    if answer.metadata is None or answer.fault is not None:
        reason = answer.fault.text if answer.fault else "no reason was given"
        raise FleetError(f"{device} did not profile {model}: {reason}", remedy=f"fleet why {device}")
    timing = Timing(
        layers=tuple(seconds * 1e9 for seconds in answer.layers),
        run=answer.run * 1e9,
        call=answer.call * 1e9,
        rounds=answer.rounds,
        times=tuple(answer.times),
    )
    return evaluate(ModuleMeta.decode(bytes.fromhex(answer.metadata)), timing, device)


def document(done: Profile) -> dict[str, Any]:
    """The profile as `--json` prints it; seconds and bytes."""
    meta, machine = done.meta, done.machine
    return {
        "model": meta.name,
        "version": meta.version,
        "target": meta.target,
        "place": done.place,
        "rounds": done.rounds,
        "run_seconds": done.run,
        "layers_seconds": done.layers_sum,
        "call_seconds": done.call,
        "macs": done.macs,
        "machine": None if machine is None else {"peak": machine.peak, "bandwidth": machine.bandwidth},
        "layers": [_layer(index, layer) for index, layer in enumerate(done.layers)],
    }


def _layer(index: int, layer: LayerProfile) -> dict[str, Any]:
    return {
        "index": index,
        "name": layer.meta.name,
        "op": layer.meta.op,
        "detail": layer.meta.detail,
        "dtype": layer.meta.dtype,
        "shape": layer.meta.shape,
        "seconds": layer.seconds,
        "share": layer.share,
        "macs": layer.meta.macs,
        "gmacs_per_second": layer.gmacs,
        "bytes": layer.nbytes,
        "limit_seconds": layer.limit,
        "bound": layer.bound,
    }
