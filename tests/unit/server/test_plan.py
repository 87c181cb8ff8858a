"""Who is in a rollout, in which wave, with which module."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.rollout.plan import Candidate, Fit, fit, waves
from device_agent.daemon import runnable_targets
from protocol.documents import Manifest, Target
from protocol.module import ABI
from tests.support.fleet import capabilities


def manifest(*targets: str, memory: int = 65536, classes: tuple[str, ...] = ("linux",)) -> Manifest:
    return Manifest(
        model="crop-model", version="1.0.0", sequence=1, floor=0, classes=classes, provenance=bytes(32),
        targets={
            name: Target(size=1, sha256=bytes(32), index=bytes(32), abi=(ABI, ABI | 0xFFFF), memory=memory,
                         deadline=1)
            for name in targets
        },
    )  # fmt: skip


def fits(count: int, online: int | None = None) -> list[Fit]:
    last = count if online is None else online
    return [Fit(f"dev-{n:05}", n < last, "simd", "") for n in range(count)]


def sizes(count: int) -> list[int]:
    return [len(names) for _, names in waves(fits(count))]


def test_a_device_gets_the_first_of_its_targets_that_fits() -> None:
    both = fit(manifest("mvp", "simd"), Candidate("dev-1", "linux", online=True, capabilities=capabilities()))
    only = fit(manifest("mvp"), Candidate("dev-1", "linux", online=True, capabilities=capabilities()))
    assert (both.target, only.target) == ("simd", "mvp")


def test_the_fastest_target_is_first_where_a_device_has_it() -> None:
    able = capabilities().model_copy(update={"targets": runnable_targets("x86_64")})
    release = manifest("mvp", "relaxed", "simd")
    assert fit(release, Candidate("dev-1", "linux", online=True, capabilities=able)).target == "relaxed"
    assert fit(release, Candidate("dev-1", "linux", online=False, capabilities=None)).target == "relaxed"
    assert runnable_targets("AMD64") == runnable_targets("aarch64") == ("relaxed", "simd", "mvp")
    assert runnable_targets("riscv64") == ("simd", "mvp")


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        (manifest("mcu"), "no module for simd"),
        (manifest("simd", memory=1 << 40), "the device allows"),
        (manifest("simd", classes=("sensor",)), "this device is of class linux"),
    ],
)
def test_a_device_that_no_module_fits_is_told_why(release: Manifest, reason: str) -> None:
    found = fit(release, Candidate("dev-1", "linux", online=True, capabilities=capabilities()))
    assert found.target is None
    assert reason in found.reason


def test_a_device_that_has_never_reported_is_given_the_benefit_of_the_doubt() -> None:
    found = fit(manifest("simd"), Candidate("dev-1", "linux", online=False, capabilities=None))
    assert (found.target, found.reason) == ("simd", "has not reported yet")


def test_its_class_is_known_before_its_first_report() -> None:
    found = fit(manifest("simd"), Candidate("dev-1", "sensor", online=False, capabilities=None))
    assert found.target is None
    assert "class sensor" in found.reason


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (0, []),
        (1, [1]),
        (2, [1, 1]),
        (20, [1, 19]),
        (100, [1, 10, 89]),
        (408, [4, 41, 363]),
        (10_000, [4, 1000, 8996]),
    ],
)
def test_waves(devices: int, expected: list[int]) -> None:
    assert sizes(devices) == expected


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_every_fitting_device_is_in_one_wave(count: int, online: int) -> None:
    cut = waves([*fits(count, online), Fit("misfit", True, None, "")])
    members = [name for _, names in cut for name in names]
    assert sorted(members) == [item.device for item in fits(count)]
    assert all(names for _, names in cut)
    assert count == 0 or len(cut[0][1]) <= 4


def test_canaries_are_devices_that_can_answer() -> None:
    devices = [Fit("a-off", False, "simd", ""), Fit("b-on", True, "simd", "")]
    assert waves(devices)[0] == ("canary", ["b-on"])
