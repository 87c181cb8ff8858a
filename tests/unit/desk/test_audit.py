"""`fleet audit verify` believes its own memory, not the controller."""

import json

import pytest

from controller.client.config import config_folder
from protocol.access import AuditPage
from tests.unit.protocol.test_audit import LOG, log

AUDIT = "/api/v1/audit"


@pytest.fixture
def shown(controller, fleet):
    """Runs `fleet audit verify` on a log."""

    def run(entries):
        controller.on("GET", AUDIT, AuditPage(items=entries))
        return fleet("audit", "verify")

    return run


def test_a_sound_log(shown):
    done = shown(LOG[:3])
    assert done.code == 0
    assert "3 entries" in done.out
    assert LOG[2].digest in done.out
    again = shown(LOG)
    assert again.code == 0
    assert "entries 1 to 3 are those that this desk has seen before" in again.out


def test_a_log_that_was_written_anew_is_noticed(shown):
    assert shown(LOG[:3]).code == 0
    anew = log(*((1000 + n, "mallory", "owner", "push", "other") for n in range(5)))
    done = shown(anew)
    assert done.code == 5
    assert "written anew" in done.err
    assert shown(LOG).code == 0, "what was seen is not forgotten for it"


def test_a_log_that_was_cut_off_is_noticed(shown):
    assert shown(LOG).code == 0
    done = shown(LOG[:2])
    assert done.code == 5
    assert "this desk has seen entry 5" in done.err


def test_a_memory_that_cannot_be_read_is_no_memory_that_is_empty(shown):
    assert shown(LOG).code == 0
    (config_folder() / "audit.json").write_text("{")
    done = shown(LOG)
    assert done.code == 5
    assert "audit.json" in done.err


def test_pages_are_followed(controller, fleet):
    pages = {0: AuditPage(items=LOG[:2], next="2"), 2: AuditPage(items=LOG[2:])}
    controller.on("GET", AUDIT, lambda request: pages[int(request.url.params["cursor"])])
    assert fleet("audit", "verify").code == 0
    listed = fleet("audit", "list", "--who", "alice", "--last", "2", "--json")
    assert [entry["number"] for entry in json.loads(listed.out)] == [4, 5]
