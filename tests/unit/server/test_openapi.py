"""`docs/openapi.json` is what the server answers to."""

import json
from pathlib import Path

from controller.api import make_app
from protocol.api import ENDPOINTS
from tests.support.fleet import Fleet

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


def document(fleet: Fleet) -> dict[str, object]:
    return make_app(fleet.service, "a token for tests").openapi()


def test_the_committed_document_is_the_servers(fleet: Fleet) -> None:
    made = json.dumps(document(fleet), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert made == COMMITTED.read_text(), (
        "docs/openapi.json is out of date; write it anew:\n  python -m tests.unit.server.write_openapi"
    )


def test_every_endpoint_of_the_contract_is_served_and_no_other(fleet: Fleet) -> None:
    promised = set()
    for line in ENDPOINTS.strip().splitlines():
        method, path = line.split()[:2]
        path = path.split("?")[0].replace("{pause|resume|stop|back}", "{action}")
        promised.add((method.lower(), path))
    served = {
        (method, _as_in_contract(path))
        for path, methods in json.loads(json.dumps(document(fleet)))["paths"].items()
        for method in methods
    }
    assert served == promised


def _as_in_contract(path: str) -> str:
    """A path with its parameters called as the contract calls them."""
    number = "{n}" if "/roots/" in path else "{id}"
    return path.replace("{number}", number).replace("{identity}", "{id}").replace("{digest}", "{sha256}")
