import random

import pytest

from tests.faults.slots import prove
from tests.support.recorded_files import MemoryFiles


def test_every_prefix_of_the_writes_restarts_on_a_verified_module():
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)  # noqa: T201 - to repeat a failure
    operations, states = prove(seed, samples=6, weights=20_000)
    assert operations > 100
    assert states > 1000


def test_modules_of_many_chunks_too():
    _, states = prove(seed=3, samples=1, weights=150_000)
    assert states > 1000


class WithoutSync(MemoryFiles):
    def sync(self, path: str) -> None:
        """A careless agent's."""


class WithoutFolderSync(MemoryFiles):
    def sync_folder(self, path: str) -> None:
        """A careless agent's."""


class Hasty(MemoryFiles):
    """Writes a state in place instead of beside the old one."""

    def replace(self, source: str, target: str) -> None:
        data = self.read(source) or b""
        self.remove(source)
        self.write(target, 0, data)
        self.sync(target)


@pytest.mark.parametrize("careless", [WithoutSync, WithoutFolderSync, Hasty])
def test_the_proof_notices_an_agent_that_is_careless(careless):
    with pytest.raises(AssertionError, match="seed 5"):
        prove(seed=5, samples=2, weights=20_000, recorder=careless())
