"""`fleet debug compare` on a package that was built before."""

from types import SimpleNamespace

import numpy as np
import pytest

from controller.cli import debug
from controller.inspection.compare import ComparedLayer, Comparison, Difference
from protocol.chunks import sha256
from tests.unit.desk import modules

GRAPH = b"\xa0"


@pytest.fixture
def compared(monkeypatch, tmp_path):
    """What the command gives the two to run, and a verdict of its own."""
    meta = modules.meta(provenance={"graph": sha256(GRAPH).hex()})
    difference = Difference(2, 4, float("inf"), (0, 1), 5.0, float("nan"), ((0, 1), (0, 3)))
    layer = ComparedLayer(meta.layers[0], "differs", difference, 1)
    seen = SimpleNamespace(inputs=None, result=Comparison(meta, (layer,), 0, 0.1), wasm=None)

    def run_both(wasm, graph, inputs):
        assert graph == GRAPH
        seen.inputs, seen.wasm = inputs, wasm
        return seen.result

    package = SimpleNamespace(blobs={sha256(GRAPH): GRAPH}, model="toy")
    monkeypatch.setattr(debug, "package_for", lambda *_: package)
    monkeypatch.setattr(debug, "module_of", lambda *_: modules.wasm(provenance=meta.provenance))
    monkeypatch.setattr(debug, "run_both", run_both)
    return seen


def test_the_first_difference_is_named(fleet, compared, tmp_path):
    page = tmp_path / "page.html"
    done = fleet("debug", "compare", "toy", "--html", page)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[1].split()[:5] == ["0", "/add", "Add", "4", "1x4"]
    assert lines[1].endswith("differs · 1 not finite    2 of 4      inf")
    assert lines[2:] == [
        "first difference in add_0 (/add, Add 4) -> 1x4",
        "  2 of 4 elements differ, by at most inf",
        "  at [0, 1] the module has 5, the oracle nan",
        "  places [0,1] [0,3]",
    ]
    assert "NaN" not in page.read_text().partition('id="data">')[2].partition("</script>")[0]


def test_json(fleet, compared):
    document = fleet("debug", "compare", "toy", "--json").json
    assert (document["equal"], document["first"]) == (False, 0)
    assert document["layer"] == "add_0 (/add, Add 4) -> 1x4"
    assert document["layers"][0]["difference"]["expected"] == "nan"


def test_equal(fleet, compared):
    layer = ComparedLayer(compared.result.layers[0].meta, "equal")
    compared.result = Comparison(compared.result.meta, (layer,), None, 0.1)
    done = fleet("debug", "compare", "toy")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "toy 1.0.0 simd and the oracle are equal in 1 layer, bit for bit"


def test_an_input_is_quantized_as_on_a_device(fleet, compared, tmp_path):
    np.save(tmp_path / "x.npy", np.array([[0.0, 1.0, -1.0, 1000.0]], np.float32))
    fleet("debug", "compare", "toy", "--input", tmp_path / "x.npy")
    assert compared.inputs["image"].tolist() == [[3, 5, 1, 127]]
    np.save(tmp_path / "q.npy", np.array([[1, 2, 3, 4]], np.int8))
    fleet("debug", "compare", "toy", "--input", f"image={tmp_path / 'q.npy'}")
    assert compared.inputs["image"].tolist() == [[1, 2, 3, 4]]
    np.savez(tmp_path / "x.npz", image=np.ones((1, 4), np.int8))
    fleet("debug", "compare", "toy", "--input", tmp_path / "x.npz")
    assert compared.inputs["image"].tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize(
    "case",
    [
        ("x.npy", np.zeros((2, 4), np.int8), "has the shape [2, 4], the module reads [1, 4]"),
        ("x.npy", np.zeros((1, 4), np.int32), "is int32, the module reads int8"),
        ("pixels={}", np.zeros((1, 4), np.int8), "no input 'pixels'; toy 1.0.0 reads image"),
        ("none.npy", None, "No such file"),
        ("x.npy", b"PK\x03\x04....", "cannot read"),
        ("x.npy", b"", "cannot read"),
    ],
)
def test_inputs_that_do_not_fit(fleet, compared, tmp_path, case):
    word, array, says = case
    file = tmp_path / "x.npy"
    if isinstance(array, bytes):
        file.write_bytes(array)
    elif array is not None:
        np.save(file, array)
    else:
        file = tmp_path / "none.npy"
    done = fleet("debug", "compare", "toy", "--input", word.format(file) if "{}" in word else file)
    assert done.code == 3
    assert says in done.err


def test_a_module_of_another_graph_is_refused(fleet, compared, tmp_path):
    file = tmp_path / "old.wasm"
    file.write_bytes(modules.wasm(provenance={"graph": "11" * 32}))
    done = fleet("debug", "compare", "toy", "--module", file)
    assert done.code == 3
    assert "was made from graph sha256:11111111…" in done.err
