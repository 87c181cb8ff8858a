"""Sample data: one array for each ONNX input, first axis = sample; in memory, `.npz` or `.npy` files."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from controller.compiler.errors import CalibrationError
from controller.compiler.ir import Array, Graph


@dataclass(frozen=True)
class Samples:
    """Checked sample data.

    Attributes:
        arrays: ONNX input name → [sample, *shape of the input].
        labels: int64 [sample], for evaluation.
        digest: SHA-256 of the file, of the files of a folder, or of the arrays, hexadecimal.
    """

    arrays: dict[str, Array]
    labels: Array | None
    digest: str

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __iter__(self) -> Iterator[dict[str, Array]]:
        for index in range(len(self)):
            yield {name: array[index] for name, array in self.arrays.items()}

    def spread(self, count: int) -> list[dict[str, Array]]:
        """`count` samples, or all if there are fewer, evenly spread over the file."""
        indices = np.linspace(0, len(self) - 1, min(count, len(self))).astype(int)
        return [{name: array[index] for name, array in self.arrays.items()} for index in indices]


def load_samples(path: Path, graph: Graph, purpose: str, *, labelled: bool = False) -> Samples:
    """Read and check a file or a folder.

    A folder holds `.npz` files, each like a single one and taken in the order of their names; or an
    `INPUT.npy` for each input; or, for a model of one input, `.npy` files of any name. An array in a folder
    may also be one sample without the first axis.

    Args:
        path: An `.npz` file, or a folder.
        graph: The float graph, for names and shapes of its inputs.
        purpose: "calibration" or "evaluation", for messages.
        labelled: An array `label` must be there as well.

    Raises:
        CalibrationError: The file is missing or broken, an input has no array, or an array does not fit.
    """
    expected = _expected(graph)
    if not path.exists():
        raise CalibrationError(
            f"{purpose} data {path.name} is missing",
            where=str(path),
            remedy=f"write an .npz file with {expected}; without one only float32 compiles",
        )
    digest = sha256()
    try:
        arrays = _read_folder(path, graph, digest.update) if path.is_dir() else _read(path, digest.update)
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CalibrationError(
            f"{purpose} data {path.name} is not an .npz file: {error}",
            where=str(path),
            remedy=f"write {expected}",
        ) from error
    origin = _Origin(purpose, f"{purpose} data {path.name}", str(path))
    return _checked(arrays, graph, origin, digest.hexdigest(), labelled=labelled)


def check_samples(arrays: Mapping[str, Array], graph: Graph, purpose: str) -> Samples:
    """Check arrays that are in memory.

    Args:
        arrays: By ONNX input, first axis = sample.
        graph: The float graph, for names and shapes of its inputs.
        purpose: "calibration" or "evaluation", for messages.

    Raises:
        CalibrationError: An input has no array, or an array does not fit.
    """
    given = {name: np.asarray(array) for name, array in arrays.items()}
    digest = sha256()
    for name in sorted(given):
        digest.update(f"{name} {given[name].dtype} {given[name].shape}\0".encode())
        digest.update(np.ascontiguousarray(given[name]).tobytes())
    origin = _Origin(purpose, f"{purpose} data", None)
    return _checked(given, graph, origin, digest.hexdigest(), labelled=False)


def _expected(graph: Graph) -> str:
    return f"one array for each ONNX input ({', '.join(graph.inputs)}), first axis = sample"


def _read(path: Path, seen: Callable[[bytes], None]) -> dict[str, Array]:
    seen(path.read_bytes())
    loaded = np.load(path)
    if isinstance(loaded, np.ndarray):
        raise ValueError("it holds one array without a name")  # noqa: TRY004 - as NumPy for other contents
    with loaded:
        return {name: loaded[name] for name in loaded.files}


def _read_folder(folder: Path, graph: Graph, seen: Callable[[bytes], None]) -> dict[str, Array]:
    parts: dict[str, list[Array]] = {}
    files = sorted(path for path in folder.iterdir() if path.suffix in (".npz", ".npy") and path.is_file())
    for path in files:
        seen(path.name.encode() + b"\0")
        if path.suffix == ".npz":
            for name, array in _read(path, seen).items():
                parts.setdefault(name, []).append(array)
            continue
        seen(path.read_bytes())
        name = path.stem if len(graph.inputs) > 1 or path.stem in graph.inputs else graph.inputs[0]
        parts.setdefault(name, []).append(np.load(path))
    return {name: _join(name, arrays, graph) for name, arrays in parts.items()}


def _join(name: str, arrays: list[Array], graph: Graph) -> Array:
    shape = graph.tensors[name].shape if name in graph.inputs else ()
    return np.concatenate([array[None] if array.shape == shape else array for array in arrays])


@dataclass(frozen=True)
class _Origin:
    """Where arrays came from, for messages."""

    purpose: str
    data: str
    where: str | None


def _checked(
    arrays: dict[str, Array], graph: Graph, origin: _Origin, digest: str, *, labelled: bool
) -> Samples:
    expected = _expected(graph)
    labels = arrays.pop("label", None) if "label" not in graph.inputs else None
    if labelled and labels is not None:
        labels = _labels(labels, origin)
    missing = [name for name in graph.inputs if name not in arrays]
    if missing or (labelled and labels is None):
        lacks = missing[0] if missing else "label"
        raise CalibrationError(
            f"{origin.data} has no array {lacks}; it has {', '.join(arrays) or 'none'}",
            where=origin.where,
            remedy=f"write {expected}{', and label int64 [sample]' if labelled else ''}",
        )
    checked = {name: _fit(arrays[name], graph, name, origin) for name in graph.inputs}
    counts = {len(array) for array in (*checked.values(), *([labels] if labels is not None else []))}
    if len(counts) != 1 or not counts.pop():
        raise CalibrationError(
            f"{origin.data} is empty, or its arrays differ in the number of samples",
            where=origin.where,
            remedy=f"write {expected}",
        )
    return Samples(checked, labels, digest)


def _labels(array: Array, origin: _Origin) -> Array:
    """Numbers of classes: int64 [sample]."""
    flat = array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
    whole = flat.dtype.kind in "iu" or (flat.dtype.kind == "f" and bool(np.all(flat == np.round(flat))))
    if flat.ndim != 1 or not whole or (flat.size and flat.min() < 0):
        raise CalibrationError(
            f"{origin.purpose} array label is {array.dtype}{list(array.shape)}; it is to be the number of "
            "the right class of each sample, from 0",
            where=origin.where,
            remedy="write label as int64 [sample]: numpy.argmax(one_hot, 1), or the index of each name",
        )
    return flat.astype(np.int64)


def _fit(array: Array, graph: Graph, name: str, origin: _Origin) -> Array:
    tensor = graph.tensors[name]
    if array.ndim == 0 or array.shape[1:] != tensor.shape or array.dtype.kind not in "fiub":
        raise CalibrationError(
            f"{origin.purpose} array {name} is {array.dtype}{list(array.shape)}; "
            f"the input is {tensor.dtype}{list(tensor.shape)}",
            where=origin.where,
            remedy=f"give {name} the shape [sample, {', '.join(map(str, tensor.shape))}]",
        )
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        raise CalibrationError(
            f"{origin.purpose} array {name} holds NaN or infinite values",
            where=origin.where,
            remedy="clean the data",
        )
    return array.astype(tensor.dtype, copy=False)
