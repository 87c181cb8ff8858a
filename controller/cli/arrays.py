"""Arrays that a command is given: `x.npy`, `NAME=x.npy` or an `.npz` with one array for each name."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from controller.compiler.ir import Quant
from controller.compiler.quantize.functions import quantize_array
from protocol.errors import InputError
from protocol.golden import random_inputs
from protocol.module import ModuleMeta, TensorMeta

Array = NDArray[Any]

Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="[NAME=]X.npy",
        help="An input as floats or at the module's type; pseudo-random if none is given.",
    ),
]


def read_inputs(words: Sequence[str], meta: ModuleMeta) -> dict[str, Array]:
    """The inputs of a module, at its types.

    Args:
        words: As given; none means pseudo-random inputs.
        meta: Names, types and shapes. A quantized input may be given as people see it, in floats.

    Raises:
        InputError: A file cannot be read, or its array does not fit.
    """
    if not words:
        return {
            tensor.name: np.frombuffer(raw, np.dtype(tensor.dtype)).reshape(tensor.shape)
            for tensor, raw in zip(meta.inputs, random_inputs(1, meta.inputs), strict=True)
        }
    given = _given(words, meta)
    return {tensor.name: _fit(given[tensor.name], tensor) for tensor in meta.inputs}


def read_sequence(words: Sequence[str], meta: ModuleMeta) -> list[dict[str, Array]] | None:
    """The inputs of each step of a module with state; None if the arrays hold no sequence.

    Args:
        words: As given. The array of an input may have one more dimension in front, that of the steps; one
            without it is given to every step.
        meta: As for `read_inputs`.

    Raises:
        InputError: As `read_inputs`, or the arrays differ in their number of steps.
    """
    given = _given(words, meta) if words and meta.state is not None else {}
    longer = [t for t in meta.inputs if t.name in given and given[t.name].ndim == len(t.shape) + 1]
    if not longer:
        return None
    counts = {t.name: len(given[t.name]) for t in longer}
    steps = counts[longer[0].name]
    if steps == 0 or len({*counts.values()}) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(
            f"the inputs have different numbers of steps, or none: {said}",
            where="--input",
            remedy="give each as many as the others, and at least one",
        )
    fitted = {
        t.name: [_fit(part, t) for part in given[t.name]] if t in longer else [_fit(given[t.name], t)] * steps
        for t in meta.inputs
    }
    return [{name: parts[step] for name, parts in fitted.items()} for step in range(steps)]


def _given(words: Sequence[str], meta: ModuleMeta) -> dict[str, Array]:
    """An array for each input, as the files hold them."""
    given: dict[str, Array] = {}
    for word in words:
        given |= _read(word, meta)
    names = [tensor.name for tensor in meta.inputs]
    missing = [name for name in names if name not in given]
    unknown = [name for name in given if name not in names]
    if missing or unknown:
        problem = f"no input {unknown[0]!r}" if unknown else f"no array for input {missing[0]!r}"
        raise InputError(
            f"{problem}; {meta.name} {meta.version} reads {', '.join(names)}",
            where="--input",
            remedy=" ".join(f"--input {name}={name}.npy" for name in names),
        )
    return given


def _read(word: str, meta: ModuleMeta) -> dict[str, Array]:
    name, equals, path = word.partition("=")
    file = Path(path if equals else word)
    try:
        with file.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                with loaded:
                    return {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(
            f"cannot read {file}: {reason}", where="--input", remedy="give a file that numpy.save wrote"
        ) from error
    if not equals and len(meta.inputs) != 1:
        names = ", ".join(tensor.name for tensor in meta.inputs)
        raise InputError(
            f"{meta.name} has {len(meta.inputs)} inputs ({names}); {file} does not say for which it is",
            where="--input",
            remedy=f"--input {meta.inputs[0].name}={file}",
        )
    return {name if equals else meta.inputs[0].name: loaded}


def _fit(array: Array, tensor: TensorMeta) -> Array:
    if array.shape != tensor.shape:
        raise InputError(
            f"the array for input {tensor.name} has the shape {list(array.shape)}, "
            f"the module reads {list(tensor.shape)}",
            where="--input",
            remedy="reshape the array",
        )
    dtype = np.dtype(tensor.dtype)
    if tensor.scale is not None and array.dtype.kind == "f":
        return quantize_array(array, Quant.per_tensor(tensor.scale, tensor.zero_point or 0))
    if array.dtype != dtype and not (array.dtype.kind == dtype.kind == "f"):
        raise InputError(
            f"the array for input {tensor.name} is {array.dtype}, the module reads {dtype}",
            where="--input",
            remedy=f"numpy.asarray(x, {dtype.name!r})",
        )
    return array.astype(dtype)
