"""Interleaving, and engines that fail on the way."""

import pytest

from tests.bench.inference.rounds import measure, medians


class Scripted:
    """Takes one second, and fails after some timings."""

    output = None

    def __init__(self, log, name, lives=1000):
        self._log, self._name, self._lives = log, name, lives

    def seconds(self, _count):
        self._log.append(self._name)
        self._lives -= 1
        if self._lives < 0:
            raise OSError("gone")
        return 1.0


def test_every_round_asks_every_engine_in_turn():
    log = []
    engines = {("m", "a"): Scripted(log, "a"), ("m", "b"): Scripted(log, "b")}
    times, failures = measure(engines, 3, lambda _: None)
    assert log == ["a", "a", "b", "b"] + ["a", "b"] * 3
    assert times == {("m", "a"): [1.0] * 3, ("m", "b"): [1.0] * 3}
    assert failures == {}


@pytest.mark.parametrize("lives", [0, 1, 2, 4])
def test_an_engine_that_fails_does_not_end_the_run(lives):
    engines = {("m", "a"): Scripted([], "a", lives), ("m", "b"): Scripted([], "b")}
    times, failures = measure(engines, 3, lambda _: None)
    assert times.keys() == {("m", "b")}
    assert failures == {("m", "a"): "OSError: gone"}


def test_medians():
    assert medians({("m", "a"): [3.0, 1.0, 2.0], ("n", "a"): [5.0]}) == {"m": {"a": 2.0}, "n": {"a": 5.0}}
