"""Modules and arenas do not grow unnoticed."""

import json

import pytest

from tests.bench import sizes


@pytest.mark.parametrize("name", sizes.MODELS)
def test_not_larger_than_recorded(name):
    recorded = json.loads(sizes.RECORD.read_text())[name]
    worse = sizes.grown(recorded, sizes.measure(name))
    assert not worse, f"{', '.join(worse)}; if that is meant: python -m tests.bench.sizes --record"


def test_growth_is_noticed():
    assert sizes.grown({"a": 1000, "b": 1000}, {"a": 1030, "b": 1031}) == ["b 1000 -> 1031"]
