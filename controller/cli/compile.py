"""`fleet compile`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import text
from controller.cli.build_screen import BuildScreen
from controller.cli.failing import told_as_json
from controller.cli.options import Json, Shapes
from controller.cli.parse import shapes, state
from controller.cli.programs import exported, program_name
from controller.cli.terminal import emit_line, say
from controller.cli.writing import write_bytes
from controller.compiler import CompiledModule, compile_model, is_torch
from protocol.errors import InputError


def compile_file(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE.onnx|FILE.pt2|MODULE:FACTORY", help="The model.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT.wasm", help="The module to write.", show_default=False)
    ],
    target: Annotated[str, typer.Option("--target", help="simd, mvp or relaxed.")] = "simd",
    float32: Annotated[
        bool, typer.Option("--float", help="In float32; so it is without --calibration.")
    ] = False,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", metavar="DIR|X.npz", help="In int8, its ranges from these samples."),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="How ranges are chosen: mse, minmax, percentile or entropy.")
    ] = "mse",
    shape: Shapes = None,
    carried: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="IN=OUT",
            help="An input that the module keeps from run to run, and its next value.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Compile any ONNX file to one module, without a project.

    fleet compile mobilenet.onnx -o mobilenet.wasm --shape image=1,3,224,224
    """
    with told_as_json(json):
        if float32 and calibration is not None:
            raise InputError("--float and --calibration contradict each other", remedy="give one of them")
        sizes = shapes(shape)
        source = exported(file, sizes) if is_torch(file) else file
        began = time.perf_counter()
        with BuildScreen(program_name(file) if is_torch(file) else Path(file).stem) as screen:
            module = compile_model(
                source,
                target=target,
                shapes=sizes,
                calibration=calibration,
                method=method,
                state=state(carried),
                name=program_name(file) if is_torch(file) else None,
                progress=screen,
            )
        seconds = time.perf_counter() - began
        write_bytes(out, module.wasm)
    if json:
        emit_line(
            {
                "file": str(out),
                "target": module.target,
                "module_bytes": len(module.wasm),
                "arena_bytes": module.meta.arena.size,
                "arena_bound": module.meta.arena_bound,
                "macs": sum(layer.macs for layer in module.meta.layers),
                "compile_seconds": seconds,
            }
        )
    else:
        say(_result(out, module))


def _result(out: Path, module: CompiledModule) -> str:
    inputs = " ".join(f"--input {tensor.name}=x.npy" for tensor in module.meta.inputs)
    return f"wrote {out}, {text.size(len(module.wasm))}. Next: fleet run {out} {inputs} --output y.npz"
