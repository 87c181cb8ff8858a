"""The daemon in this process, on a disk that the test controls."""

import asyncio

import pytest

from device_agent.daemon import Daemon, Settings
from device_agent.errors import DiskFullError
from device_agent.link.reporter import Reporter
from device_agent.slots.files import DiskFiles
from tests.support.brokers import free_port
from tests.support.fake_module import FakeModule

pytestmark = pytest.mark.broker


class FullFiles(DiskFiles):
    """No write finds room."""

    full = True

    def write(self, path: str, offset: int, data: bytes) -> None:
        """See `Files`."""
        if self.full:
            raise DiskFullError(path, len(data))
        super().write(path, offset, data)


def run_daemon(data, files, started):
    async def main():
        daemon = Daemon(Settings(data, http_port=free_port()), files=files)
        ready = asyncio.Event()
        running = asyncio.create_task(daemon.run(ready.set))
        try:
            await asyncio.wait_for(
                asyncio.wait(
                    {running, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED
                ),
                20,
            )
            await started(daemon)
        finally:
            daemon.stop()
            await running

    asyncio.run(main())


@pytest.mark.parametrize("trial", [False, True])
def test_a_disk_that_is_full_at_the_start_stops_nothing_that_is_installed(one_world, trial):
    director, agent = one_world.director, one_world.agent
    agent.start()
    one = director.release(FakeModule())
    director.assign(one, observe=(1000, 600) if trial else (1, 0))
    director.wait_state(one, "observing" if trial else "confirmed")
    agent.stop()
    files = FullFiles(agent.data)

    async def started(daemon):
        answer = await daemon.services["crop-model"].infer({"x": bytes(32)})
        assert answer.version == "1.0.0"
        assert {report.boot for report in director.reports} == {1}
        files.full = False
        await asyncio.to_thread(director.wait, lambda r: r.boot == 2, "it reports when there is room")

    run_daemon(agent.data, files, started)


def test_an_agent_that_loses_a_part_ends_with_its_error(one_world, monkeypatch):
    async def broken(_self):
        raise RuntimeError("this part is broken")

    monkeypatch.setattr(Reporter, "report_forever", broken)

    async def started(_daemon):
        pass

    with pytest.raises(RuntimeError, match="this part is broken"):
        run_daemon(one_world.agent.data, None, started)
