import re

import pytest

from tests.unit.kernels.library import CPU, KERNELS, link, names


def test_each_file_defines_the_kernel_it_is_named_after():
    for variant in ("reference", "simd128"):
        for path in (KERNELS / variant).rglob("fleet_*.c"):
            defined = re.findall(r"^\w+ (fleet_\w+)\(", path.read_text(), re.MULTILINE)
            assert defined == [path.stem]


def test_each_fast_variant_has_a_reference():
    fast = {path.stem for path in (KERNELS / "simd128").rglob("fleet_*.c")}
    assert fast <= set(names())


def test_each_kernel_is_declared():
    headers = "".join(path.read_text() for path in (KERNELS / "include" / "fleet").glob("*.h"))
    declared = set(re.findall(r"^\w+ (fleet_\w+)\(", headers, re.MULTILINE))
    assert declared == set(names())


def target_features(wasm):
    """Names in the custom section `target_features`, which the linker merges from what the code uses."""
    at = wasm.rindex(b"target_features") + len(b"target_features")
    return set(re.findall(rb"\+.([a-z0-9-]+)", wasm[at:]))


def test_modules_use_no_newer_features(modules):
    assert target_features(modules["mvp"].read_bytes()) == {b"mutable-globals"}
    simd = {b"mutable-globals", b"simd128"}
    assert target_features(modules["simd"].read_bytes()) == simd
    assert target_features(modules["relaxed"].read_bytes()) == simd | {b"relaxed-simd"}


@pytest.mark.parametrize("optimization", ["-O1", "-Os", "-Oz"])
def test_no_optimization_calls_libc(tmp_path, optimization):
    for target in CPU:
        assert link(target, tmp_path, [optimization]).stat().st_size > 0
