"""What magika is fed, and which files count."""

import numpy as np
import pytest

from tests.bench.accuracy import file_types


@pytest.mark.parametrize(
    ("content", "begin", "end"),
    [
        (b"abc", b"abc", b"abc"),
        (b"  abc\n", b"abc\n", b"  abc"),
        (b"x" * 5000, b"x" * 1024, b"x" * 1024),
        (b" " * 3000 + b"y" * 3000, b"y" * 1024, b"y" * 1024),
        (b"a" + b" " * 6000 + b"z", b"a" + b" " * 1023, b" " * 1023 + b"z"),
    ],
)
def test_features_are_both_ends_without_white_space_there(content, begin, end):
    found = file_types.features(content)
    assert found.shape == (1, 2048)
    assert found.dtype == np.int32
    assert bytes(found[0, : len(begin)].astype(np.uint8)) == begin
    assert bytes(found[0, 2048 - len(end) :].astype(np.uint8)) == end
    assert np.all(found[0, len(begin) : 1024] == file_types.PADDING)
    assert np.all(found[0, 1024 : 2048 - len(end)] == file_types.PADDING)


def test_files_with_the_same_content_count_once(tmp_path, monkeypatch):
    for index in range(40):
        (tmp_path / f"{index}.py").write_text(f"print({index % 20})\n" * 20)
        (tmp_path / f"{index}.unknown").write_text("?" * 100)
    (tmp_path / "small.py").write_text("1")
    (tmp_path / "one.zig").write_text("const x = 1;\n" * 20)
    monkeypatch.setattr(file_types, "_files", lambda: iter(sorted(tmp_path.iterdir())))
    calibration, evaluation = file_types.gather(["python", "zig"])
    assert list(calibration) == list(evaluation) == ["python"]
    assert len(calibration["python"]) == file_types.CALIBRATION
    assert len(evaluation["python"]) == 20 - file_types.CALIBRATION
    assert not set(calibration["python"]) & set(evaluation["python"])


def test_no_ending_stands_for_two_types():
    endings = [ending for ends in file_types.ENDINGS.values() for ending in ends]
    assert len(endings) == len(set(endings))
