"""The Landsat *Satellite* data as images, with the split that its authors made.

The rows of mlbench's ``Satellite`` are UCI's ``sat.trn`` (4,435 rows) followed by ``sat.tst`` (2,000 rows):
the class counts of both parts equal those of UCI's documentation, and `load` insists on them, because a
shuffled copy would quietly mix training rows into the test.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyreadr

LABELS = (
    "red soil",
    "cotton crop",
    "grey soil",
    "damp grey soil",
    "vegetation stubble",
    "very damp grey soil",
)
TRAIN_COUNTS = (1072, 479, 961, 415, 470, 1038)
TEST_COUNTS = (461, 224, 397, 211, 237, 470)

DEBIAN_PACKAGE = "r-cran-mlbench"
RDA_IN_PACKAGE = "usr/lib/R/site-library/mlbench/data/Satellite.rda"


class Split(NamedTuple):
    """Images float32 [n, 4, 3, 3] (band, row, column; digital numbers / 255) and labels int64 [n]."""

    images: np.ndarray
    labels: np.ndarray


def fetch(folder: Path) -> Path:
    """Download the Debian package into ``folder`` and unpack it there; returns the path of the ``.rda``.

    Nothing is installed; ``apt-get download`` needs no root.
    """
    download = ["apt-get", "download", DEBIAN_PACKAGE]
    subprocess.run(download, cwd=folder, check=True)  # noqa: S603 - a constant command
    for package in folder.glob(f"{DEBIAN_PACKAGE}_*.deb"):
        unpack = ["dpkg-deb", "-x", str(package), str(folder)]
        subprocess.run(unpack, check=True)  # noqa: S603 - its arguments are our own paths
    return folder / RDA_IN_PACKAGE


def load(rda: Path | None = None) -> tuple[Split, Split]:
    """Read the data and split it as UCI does.

    Args:
        rda: mlbench's ``Satellite.rda``; fetched from Debian when not given.

    Returns:
        Training part and test part.

    Raises:
        ValueError: The class counts are not UCI's, so the rows are not in the original order.
    """
    if rda is None:
        with tempfile.TemporaryDirectory() as folder:
            return load(fetch(Path(folder)))
    frame = pyreadr.read_r(str(rda))["Satellite"]
    # A row holds nine pixels, left to right and top to bottom, each with its four bands.
    pixels = frame.iloc[:, :36].to_numpy(np.float32).reshape(-1, 3, 3, 4)
    images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) / np.float32(255)
    labels = frame["classes"].map(LABELS.index).to_numpy().astype(np.int64)
    end = sum(TRAIN_COUNTS)
    train, test = Split(images[:end], labels[:end]), Split(images[end:], labels[end:])
    for part, counts in ((train, TRAIN_COUNTS), (test, TEST_COUNTS)):
        found = tuple(np.bincount(part.labels, minlength=len(LABELS)).tolist())
        if found != counts:
            raise ValueError(f"{rda}: class counts {found}, but UCI's split has {counts}; rows out of order?")
    return train, test
