"""Writes `protocol/vectors`: `python -m tests.contract.protocol.generate`."""

import json
from pathlib import Path

from tests.contract.protocol.cases import (
    assignments,
    commands,
    confidential,
    delivery,
    documents,
    encoding,
    manifests,
    modules,
    roots,
)

VECTORS = Path(__file__).parents[3] / "protocol" / "vectors"
FILES = {
    "encoding.json": encoding.cases,
    "documents.json": documents.cases,
    "roots.json": roots.cases,
    "assignments.json": assignments.cases,
    "manifests.json": manifests.cases,
    "delivery.json": delivery.cases,
    "confidential.json": confidential.cases,
    "commands.json": commands.cases,
    "modules.json": modules.cases,
}


def text(name: str) -> str:
    """Contents of a file of vectors: a JSON array with one vector in each line."""
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in FILES[name]())
    return f"[\n{lines}\n]\n"


if __name__ == "__main__":
    for name in FILES:
        (VECTORS / name).write_text(text(name))
