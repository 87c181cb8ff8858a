"""The programs of docs/browser.md, as they stand there, give what the module gives in wasmtime."""

import re
import subprocess

import numpy as np
import pytest

from controller.compiler import Instance, ModelProject, build
from tests.engines.cases import PROJECTS
from tests.engines.chromium import visit
from tests.engines.errors import HostError

ROOT = PROJECTS.parent
PROGRAMS = dict(re.findall(r"```(html|js)\n(.*?)```", (ROOT / "docs" / "browser.md").read_text(), re.DOTALL))
HELPER = (ROOT / "modules" / "abi" / "fleet.mjs").read_bytes()
DEADLINE = 60

# Posts what the page shows, or its error.
WATCH = """<script>
  const post = (path, body) => fetch(path, { method: "POST", body });
  addEventListener("error", (event) => post("/error", event.message));
  addEventListener("unhandledrejection", (event) => post("/error", String(event.reason)));
  addEventListener("DOMContentLoaded", () => {
    const shown = document.querySelector("output"), before = shown.textContent;
    const look = () => shown.textContent !== before && post("/answers", shown.textContent);
    new MutationObserver(look).observe(shown, { childList: true, characterData: true, subtree: true });
  });
</script>
"""


@pytest.fixture(scope="module")
def wasm():
    return build(ModelProject.load(PROJECTS / "crop-model"), targets=["simd"]).modules["simd"].wasm


def check(shown, wasm):
    """`label: score` is what wasmtime says."""
    instance = Instance(wasm)
    tensor, output = instance.meta.inputs[0], instance.meta.outputs[0]
    given = instance.quantize({tensor.name: np.full(tensor.shape, 70, np.float32)})
    scores = instance.dequantize(instance.run(given))[output.name].ravel()
    label, _, score = shown.rpartition(": ")
    assert label == output.labels[scores.argmax()]
    assert float(score) == scores.max()


def show(page, wasm):
    files = {"/page.html": (WATCH + page).encode(), "/fleet.mjs": HELPER, "/crop-model.wasm": wasm}
    return visit("/page.html", files, DEADLINE).decode()


def test_the_page(wasm):
    check(show(PROGRAMS["html"], wasm), wasm)


def test_the_program_for_node(wasm, tmp_path):
    (tmp_path / "fleet.mjs").write_bytes(HELPER)
    (tmp_path / "crop-model.wasm").write_bytes(wasm)
    (tmp_path / "main.mjs").write_text(PROGRAMS["js"])
    done = subprocess.run(
        ["node", "main.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    check(done.stdout.strip(), wasm)


def test_an_error_of_the_helper_reaches_the_page(wasm):
    with pytest.raises(HostError, match="ModelError: input image has 35 elements, 36 are needed"):
        show(PROGRAMS["html"].replace("Float32Array(36)", "Float32Array(35)"), wasm)
