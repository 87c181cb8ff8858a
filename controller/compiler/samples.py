"""Sample data of a project: `.npz` files with one array for each ONNX input, first axis = sample."""

import zipfile
from collections.abc import Iterator
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
        path: The file.
        arrays: ONNX input name → [sample, *shape of the input].
        labels: int64 [sample], for evaluation.
        digest: SHA-256 of the file, hexadecimal.
    """

    path: Path
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
    """Read and check a file.

    Args:
        path: An `.npz` file.
        graph: The float graph, for names and shapes of its inputs.
        purpose: "calibration" or "evaluation", for messages.
        labelled: An array `label` must be there as well.

    Raises:
        CalibrationError: The file is missing or broken, an input has no array, or an array does not fit.
    """
    expected = f"one array for each ONNX input ({', '.join(graph.inputs)}), first axis = sample"
    if not path.is_file():
        raise CalibrationError(
            f"{purpose} data {path.name} is missing",
            where=str(path),
            remedy=f"write an .npz file with {expected}; without one only float32 compiles: float = true",
        )
    try:
        data = path.read_bytes()
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise CalibrationError(
            f"{purpose} data {path.name} is not an .npz file: {error}",
            where=str(path),
            remedy=f"write {expected}",
        ) from error
    labels = arrays.pop("label", None) if "label" not in graph.inputs else None
    missing = [name for name in graph.inputs if name not in arrays]
    if missing or (labelled and labels is None):
        lacks = missing[0] if missing else "label"
        raise CalibrationError(
            f"{purpose} data {path.name} has no array {lacks}; it has {', '.join(arrays) or 'none'}",
            where=str(path),
            remedy=f"write {expected}{', and label int64 [sample]' if labelled else ''}",
        )
    checked = {name: _check(path, graph, name, arrays[name], purpose) for name in graph.inputs}
    counts = {len(array) for array in (*checked.values(), *([labels] if labels is not None else []))}
    if len(counts) != 1 or not counts.pop():
        raise CalibrationError(
            f"{purpose} data {path.name} is empty, or its arrays differ in the number of samples",
            where=str(path),
            remedy=f"write {expected}",
        )
    return Samples(path, checked, labels, sha256(data).hexdigest())


def _check(path: Path, graph: Graph, name: str, array: Array, purpose: str) -> Array:
    tensor = graph.tensors[name]
    if array.shape[1:] != tensor.shape or array.dtype.kind not in "fiub":
        raise CalibrationError(
            f"{purpose} array {name} is {array.dtype}{list(array.shape)}; "
            f"the input is {tensor.dtype}{list(tensor.shape)}",
            where=str(path),
            remedy=f"give {name} the shape [sample, {', '.join(map(str, tensor.shape))}]",
        )
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        raise CalibrationError(
            f"{purpose} array {name} holds NaN or infinite values", where=str(path), remedy="clean the data"
        )
    return array.astype(tensor.dtype, copy=False)
