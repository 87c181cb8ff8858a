"""Every attack of docs/security.md names a test and vectors that exist, and no promised attack is missing."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
TABLE = PAGE.partition("## Attacks, rules, tests")[2].partition("## Sandbox")[0]
LINES = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES]
PROMISED = (
    "arbitrary module", "rollback of the assignment", "rollback of the root", "below its floor", "freeze",
    "fast-forward", "mix-and-match", "wrong device", "replay to another device", "endless data", "slow data",
    "extra chunks", "reordered chunks", "oversized fields", "deep CBOR", "duplicate keys",
    "non-canonical encodings",
    "signature below threshold", "duplicated signatures", "wrong algorithm", "empty protected header",
    "stolen director key", "stolen release key below threshold", "forged and replayed health reports",
    "hostile broker", "infinite loop", "memory bomb", "out of bounds", "table tricks", "10 MB name section",
    "topic injection through device names", "path traversal through model names",
)  # fmt: skip


@pytest.mark.parametrize("attack", PROMISED)
def test_each_promised_attack_is_in_the_table(attack):
    assert any(attack in row[0] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_its_test_and_its_vectors_exist(row):
    _, _, test, vectors = row
    file, _, name = re.match(r"`([\w/]+\.py)(::)?(\w+)?`", test).groups()
    text = (ROOT / "tests" / file).read_text()
    assert not name or re.search(rf"^\s*def {name}\(", text, re.MULTILINE)
    if vectors:
        kind, _, wanted = vectors.strip("`").partition(": ")
        names = {vector["name"] for vector in json.loads((ROOT / "protocol" / "vectors" / kind).read_text())}
        assert wanted in names
