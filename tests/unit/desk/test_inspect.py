"""`fleet inspect`."""

import pytest

from tests.unit.desk import modules


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "toy.wasm"
    path.write_bytes(modules.wasm())
    return path


def test_the_page(fleet, file):
    lines = fleet("inspect", file).out.splitlines()
    assert lines[0].startswith("toy 1.0.0  simd  49.")
    assert lines[0].endswith("KiB  abi 1.0")
    assert lines[1] == "  in   image int8[1,4] scale 0.5 zero 3"
    assert lines[2] == "  out  class int8[1,4] scale 0.5 zero 3"
    assert lines[3].split() == ["#", "LAYER", "OP", "OUTPUT", "MACS", "WEIGHTS", "ARENA"]
    assert lines[4].split() == ["0", "/add", "Add", "4", "1x4", "4", "48.8", "KiB", "16-20"]
    assert lines[5].startswith("arena 32 B (bound 20 B) · memory 2 x 64 KiB · weights 48.8 KiB · code ")
    assert lines[6].split() == ["built", "from", "onnx", "77ab"]


def test_json(fleet, file):
    document = fleet("inspect", file, "--json").json
    assert document["file_size"] == len(modules.wasm())
    assert document["layers"][0]["name"] == "/add"


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"\x7fELF....", "not a WebAssembly file: it starts with 7f 45 4c 46"),
        (b"", "it starts with nothing"),
        (b"\0asm\1\0\0\0", "no fleet.meta section"),
        (modules.wasm()[:-3], "longer than the file"),
    ],
)
def test_other_files_are_refused_in_words(fleet, tmp_path, contents, says):
    path = tmp_path / "x.wasm"
    path.write_bytes(contents)
    done = fleet("inspect", path)
    assert done.code == 3
    assert says in done.err


def test_a_file_that_is_not_there(fleet, tmp_path):
    done = fleet("inspect", tmp_path / "none.wasm")
    assert done.code == 3
    assert "cannot read" in done.err


def test_a_page(fleet, file, tmp_path):
    page = tmp_path / "page.html"
    assert fleet("inspect", file, "--html", page).code == 0
    html = page.read_text()
    assert "<title>toy 1.0.0: module</title>" in html
    assert "/add" in html
