"""A release rebuilt from what it keeps: the same bytes, anywhere; and what is said if not."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from controller.compiler import Instance, ModelProject, build, golden_inputs
from controller.releases import pack
from controller.releases import rebuild as rebuilding
from controller.releases.encrypt import encrypt
from controller.releases.errors import EvidenceError
from controller.releases.rebuild import rebuild
from protocol import cbor
from protocol.chunks import sha256
from protocol.documents import IndexPage
from tests.engines.cases import PROJECTS
from tests.support import onnx_models as models
from tests.support import streaming


def released(made):
    """What the owner signs, and what the controller keeps."""
    return pack(made, golden_inputs(made.project, made, 2), Instance)


def verified(package):
    return rebuild(package.manifest(4, 2), package.blobs.__getitem__)


@pytest.fixture
def package(make_project):
    return released(build(make_project(models.build("mobile_block"))))


@pytest.mark.parametrize("int8", [True, False])
@pytest.mark.parametrize("name", ["mobile_block", "squeeze_excite", "conv_winograd", "two_outputs", "concat"])
def test_every_byte_comes_out_the_same(name, int8, make_project):
    done = verified(released(build(make_project(models.build(name), int8=int8), targets=["simd", "mvp"])))
    assert [(m.target, m.difference) for m in done.modules] == [("mvp", None), ("simd", None)]
    assert done.holds
    assert done.golden == 3
    assert not done.others


def test_with_state(make_project):
    extra = "[state]\n" + "".join(f'{name} = "{after}"\n' for name, after in streaming.STATE.items())
    assert verified(released(build(make_project(streaming.counter(), int8=False, extra=extra)))).holds


@pytest.mark.parametrize("name", ["crop-model", "mnist", "activity", "text-direction"])
def test_projects(name):
    """With labels, packages as sources, three targets."""
    assert verified(released(build(ModelProject.load(PROJECTS / name)))).holds


def test_encrypted(package):
    key = bytes(range(32))
    closed = encrypt(package, key)
    manifest = closed.manifest(4, 2)
    done = rebuild(manifest, closed.blobs.__getitem__, key)
    assert done.holds
    assert done.golden == 3
    for wrong in (None, bytes(32)):
        with pytest.raises(EvidenceError, match="another content key"):
            rebuild(manifest, closed.blobs.__getitem__, wrong)
    with pytest.raises(EvidenceError, match="another content key"):
        rebuild(package.manifest(4, 2), package.blobs.__getitem__, key)


ELSEWHERE = """
import sys
from pathlib import Path
from controller.releases import Package
from controller.releases.rebuild import rebuild
package = Package.decode(Path(sys.argv[1]).read_bytes())
done = rebuild(package.manifest(1, 0), package.blobs.__getitem__)
print(*(module.found.sha256.hex() for module in done.modules), done.holds)
"""


def test_in_another_folder_with_another_home_and_language(package, tmp_path):
    """Kernels are compiled anew; the hash seed, the time zone and the number format are others."""
    kept, home = tmp_path / "release", tmp_path / "a home of somebody else"
    kept.write_bytes(package.encode())
    home.mkdir()
    environment = os.environ | {
        "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONHASHSEED": "7", "TZ": "Pacific/Apia",
        "LC_ALL": "de_DE.UTF-8", "PYTHONPATH": str(PROJECTS.parent),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, kept], cwd=home, env=environment, umask=0o077,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    digests = [target.sha256.hex() for target in package.targets.values()]
    assert done.stdout.split() == [*digests, "True"]
    assert list((home / "cache" / "fleet" / "kernels").iterdir())


def test_a_module_that_is_not_what_its_graph_says(make_project):
    """One weight changed by who can sign: signatures, digests and golden cases all hold, and it is found."""
    made = build(make_project(models.build("mobile_block")), targets=["simd"])
    module = made.modules["simd"]
    at = module.cuts[-2] + 5
    wasm = bytearray(module.wasm)
    wasm[at] ^= 1
    forged = replace(made, modules={"simd": replace(module, wasm=bytes(wasm))})
    done = verified(released(forged))
    assert not done.holds
    assert f"different from byte {at:,} on" in done.modules[0].difference


def test_golden_outputs_that_nobody_gets(package):
    name, target = next(iter(package.targets.items()))
    page = IndexPage.decode(package.blobs[target.index])
    cases = tuple(case.model_copy(update={"outputs": bytes(32)}) for case in page.golden)
    forged = page.model_copy(update={"golden": cases}).encode()
    targets = dict(package.targets) | {name: target.model_copy(update={"index": sha256(forged)})}
    blobs = dict(package.blobs) | {sha256(forged): forged}
    done = verified(replace(package, targets=targets, blobs=blobs))
    assert {m.target for m in done.modules if m.difference} == {name}
    assert "other golden outputs" in done.modules[0].difference
    assert done.modules[0].found.sha256 == target.sha256


def test_evidence_that_was_tampered_with(package):
    for digest in package.blobs:
        forged = dict(package.blobs) | {digest: package.blobs[digest] + b"\0"}
        document = cbor.decode(package.blobs[package.provenance])
        if digest.hex() == document["sbom"]:
            continue
        with pytest.raises(EvidenceError, match="not what the release names"):
            rebuild(package.manifest(1, 0), forged.__getitem__)


def test_another_compiler_is_named(package, monkeypatch):
    monkeypatch.setattr(rebuilding, "compiler_digest", lambda: "ab" * 32)
    done = verified(package)
    assert done.others == {"compiler": (done.provenance["compiler"], "ab" * 32)}
    assert done.holds


def test_the_bill_of_materials(make_project):
    made = build(make_project(models.build("mobile_block")))
    package = released(made)
    document = cbor.decode(package.blobs[package.provenance])
    bill = package.blobs[bytes.fromhex(document["sbom"])].decode()
    assert released(made).provenance == package.provenance, "the same bytes each time"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    for digest in (document["onnx"], document["graph"], document["calibration"], document["compiler"]):
        assert digest in bill
    for target in package.targets.values():
        assert target.sha256.hex() in bill
    assert "pkg:pypi/ziglang@" in bill
