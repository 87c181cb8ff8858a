"""Writes `docs/openapi.json`: `python -m tests.unit.server.write_openapi`."""

import json
import tempfile
from pathlib import Path

from tests.support.fleet import Fleet
from tests.unit.server.test_openapi import COMMITTED, document

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder))
        made = json.dumps(document(fleet), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        COMMITTED.write_text(made)
        fleet.close()
