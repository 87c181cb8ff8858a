"""Packages: the same build gives the same bytes, and a device can verify all of them."""

import numpy as np
import pytest

from controller.cli.package_cache import KEPT, PackageCache
from controller.compiler import Instance
from controller.releases import DamagedPackageError, Package, TargetsDifferError, pack
from controller.releases.encrypt import encrypt
from protocol import cbor, golden
from protocol.chunks import index_of, read_index, sha256
from protocol.confidential import Cipher, ConfidentialError, key_id, read_chunks
from protocol.errors import InputError
from protocol.trust import check_module
from tests.unit.desk import modules

SAMPLES = [{"image": np.array([[1, 2, 3, n]], np.int8)} for n in range(3)]


@pytest.fixture(scope="module")
def package():
    return pack(modules.build(), SAMPLES, Instance)


def index(package, target="simd"):
    known = package.targets[target]
    return read_index(known.index, lambda digest: package.blobs[digest], target, known.size)


def test_the_same_build_makes_the_same_package(package):
    assert pack(modules.build(), SAMPLES, Instance).encode() == package.encode()


def test_every_blob_is_named_by_its_digest(package):
    assert all(sha256(blob) == digest for digest, blob in package.blobs.items())


@pytest.mark.parametrize("target", ["simd", "mvp"])
def test_the_chunks_make_the_module(package, target):
    known = package.targets[target]
    pages = index(package, target)
    file = b"".join(package.blobs[chunk.digest] for chunk in pages.chunks)
    check_module(file, known)
    assert file == modules.wasm(target)
    assert len(pages.chunks) >= 3
    assert known.abi == (0x10000, 0x1FFFF)
    assert (known.memory, known.deadline) == (131072, 1000)


def test_golden_cases_hold_when_run_again(package):
    pages = index(package)
    meta = modules.meta()
    assert [case.seed for case in pages.golden] == [None, None, None, 1]
    for number, case in enumerate(pages.golden):
        if case.inputs is None:
            [data] = golden.random_inputs(case.seed, meta.inputs)
        else:
            data = b"".join(package.blobs[chunk.digest] for chunk in case.inputs)
            assert data == SAMPLES[number]["image"].tobytes()
        given = {"image": np.frombuffer(data, np.int8).reshape(1, 4)}
        output = Instance(modules.wasm("mvp")).run(given)["class"].tobytes()
        assert golden.outputs_digest([output]) == case.outputs
    [(_, layer)] = Instance(modules.wasm()).run_layers(SAMPLES[0])
    assert pages.trace == (golden.layer_digest(layer),)


def test_without_samples_the_random_case_remains():
    pages = index(pack(modules.build(), [], Instance))
    assert [case.seed for case in pages.golden] == [1]
    assert len(pages.trace) == 1


def test_targets_that_differ_are_refused():
    with pytest.raises(TargetsDifferError, match="mvp and simd give different outputs for golden case 0"):
        pack(modules.build({"simd": 1, "mvp": 2}), SAMPLES, Instance)


def test_a_build_without_modules_is_refused():
    with pytest.raises(InputError, match="no module"):
        pack(modules.build(modules={}), [], Instance)


def test_where_it_was_built_does_not_change_what_it_is(package):
    elsewhere = pack(modules.build(provenance={"onnx": "77ab", "compiler": "c0de"}), SAMPLES, Instance)
    assert elsewhere.content == package.content
    assert elsewhere.provenance != package.provenance
    assert pack(modules.build(seed=1), SAMPLES, Instance).content != package.content
    assert (
        pack(modules.build(provenance={"onnx": "88", "compiler": "c0de"}), SAMPLES, Instance).content
        != package.content
    )


def test_provenance_names_the_graph(package):
    document = cbor.decode(package.blobs[package.provenance])
    bill = document.pop("sbom")
    assert document == {
        "onnx": "77ab", "compiler": "c0de", "revision": "3f1c", "graph": sha256(b"\xa0").hex(),
    }  # fmt: skip
    assert sha256(package.blobs[bytes.fromhex(bill)]).hex() == bill
    assert package.blobs[sha256(b"\xa0")] == b"\xa0"


def test_the_manifest_carries_the_reserved_numbers(package):
    manifest = package.manifest(7, 3)
    assert (manifest.model, manifest.version, manifest.sequence, manifest.floor) == ("toy", "1.0.0", 7, 3)
    assert manifest.provenance == package.provenance


class TestCache:
    def test_what_is_put_comes_back(self, package, tmp_path):
        cache = PackageCache(tmp_path)
        assert cache.get("k") is None
        cache.put("k", package)
        assert cache.get("k") == package

    def test_a_damaged_file_is_no_package(self, package, tmp_path):
        cache = PackageCache(tmp_path)
        cache.put("k", package)
        [path] = tmp_path.iterdir()
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole[:200] + b"\0" + whole[201:], b""):
            path.write_bytes(damaged)
            assert cache.get("k") is None or cache.get("k").encode() == damaged
            path.write_bytes(whole)

    def test_a_flipped_byte_in_a_blob_that_is_needed_is_seen(self, package):
        data = bytearray(package.encode())
        page = package.blobs[package.targets["simd"].index]
        data[data.index(page) + 5] ^= 1
        with pytest.raises(DamagedPackageError):
            Package.decode(bytes(data))

    def test_it_does_not_grow_without_end(self, package, tmp_path):
        cache = PackageCache(tmp_path)
        for number in range(KEPT + 3):
            cache.put(f"k{number}", package)
        assert len(list(tmp_path.iterdir())) == KEPT

    def test_a_folder_that_cannot_be_written_is_no_failure(self, package, tmp_path):
        (tmp_path / "file").write_text("")
        cache = PackageCache(tmp_path / "file" / "cache")
        cache.put("k", package)
        assert cache.get("k") is None


class TestEncrypted:
    """What leaves the desk of a package that is confidential."""

    KEY = bytes(range(32))

    @pytest.fixture(scope="class")
    @classmethod
    def sealed(cls, package):
        return encrypt(package, cls.KEY)

    def test_nothing_of_the_modules_is_left_in_the_clear(self, package, sealed):
        documents = sealed.blobs.keys() & package.blobs.keys()
        provenance = cbor.decode(package.blobs[package.provenance])
        assert documents == {
            package.provenance, *(bytes.fromhex(provenance[name]) for name in ("graph", "sbom")),
        }  # fmt: skip
        assert all(sha256(blob) == digest for digest, blob in sealed.blobs.items())
        for target in package.targets:
            file = modules.wasm(target)
            pieces = [file[at : at + 32] for at in range(0, len(file) - 32, 16)]
            new = b"".join(blob for digest, blob in sealed.blobs.items() if digest not in documents)
            assert not any(piece in new for piece in pieces if len(set(piece)) > 8)

    @pytest.mark.parametrize("target", ["simd", "mvp"])
    def test_its_key_opens_it_and_no_other_place_or_key_does(self, package, sealed, target):
        manifest = sealed.manifest(1, 0)
        assert manifest.content_key == key_id(self.KEY)
        pages = index_of(manifest, target, sealed.blobs.__getitem__)
        cipher, fetch = Cipher(self.KEY, target), sealed.blobs.__getitem__
        assert b"".join(read_chunks(pages, "module", fetch, cipher)) == modules.wasm(target)
        inputs = b"".join(read_chunks(pages, "golden", fetch, cipher))
        assert inputs == b"".join(sample["image"].tobytes() for sample in SAMPLES)
        assert pages.trace == index(package, target).trace
        assert [case.outputs for case in pages.golden] == [c.outputs for c in index(package, target).golden]
        for wrong in (Cipher(bytes(32), target), Cipher(self.KEY, "relaxed")):
            with pytest.raises(ConfidentialError):
                read_chunks(pages, "module", fetch, wrong)

    def test_the_same_key_makes_the_same_bytes(self, package, sealed):
        again = encrypt(package, self.KEY)
        assert (again.blobs, again.targets) == (sealed.blobs, sealed.targets)
        other = encrypt(package, bytes(32))
        shared = other.blobs.keys() & sealed.blobs.keys()
        assert shared == sealed.blobs.keys() & package.blobs.keys()

    def test_confidential_is_part_of_the_content(self, package):
        made = modules.build()
        made.project.confidential = True
        confidential = pack(made, SAMPLES, Instance)
        assert confidential.confidential
        assert confidential.content != package.content
        assert Package.decode(confidential.encode()) == confidential
