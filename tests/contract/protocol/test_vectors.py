"""The committed vectors are what the script writes, and `protocol` agrees with each."""

import json

import pytest

from tests.contract.protocol.generate import FILES, VECTORS, text
from tests.contract.protocol.interpret import outcome

_ALL = [
    pytest.param(vector, id=f"{name.removesuffix('.json')}: {vector['name']}")
    for name in FILES
    for vector in json.loads((VECTORS / name).read_text())
]


@pytest.mark.parametrize("name", FILES)
def test_files_are_regenerated_the_same(name):
    assert (VECTORS / name).read_text() == text(name)


@pytest.mark.parametrize("vector", _ALL)
def test_vector(vector):
    got, expected = outcome(vector), vector["expect"]
    assert {key: got.get(key) for key in expected} == expected


def test_names_are_unique_and_enough_are_bad():
    vectors = [param.values[0] for param in _ALL]
    assert len({(v["operation"], v["name"]) for v in vectors}) == len(vectors)
    assert sum(not vector["expect"]["accept"] for vector in vectors) >= 80
