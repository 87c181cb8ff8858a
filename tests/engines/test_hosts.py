"""An engine that cannot answer says why."""

import pytest
import wasmtime

from tests.engines.errors import HostError
from tests.engines.hosts import HOSTS
from tests.engines.jobs import Job, Step

OTHERS = [name for name in HOSTS if name != "wasmtime"]


@pytest.mark.parametrize("host", OTHERS)
def test_a_file_that_is_no_module_of_ours(host):
    job = Job(wasmtime.wat2wasm("(module)"), (), (Step(()),))
    with pytest.raises(HostError, match=r"job 0: .*(no fleet\.meta section|memory is missing)"):
        HOSTS[host]([job])


@pytest.mark.parametrize("host", OTHERS)
def test_a_missing_program_is_named(host, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="missing: scripts/setup --test installs it"):
        HOSTS[host]([])
