import os
import random
import sys

import numpy as np
import pytest

from tests.unit.kernels.library import CHECKED, CPU, OPTIMIZED, link
from tests.unit.kernels.machine import Machine


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """Linked kernel libraries by target, as models use them."""
    folder = tmp_path_factory.mktemp("kernels")
    return {target: link(target, folder, OPTIMIZED) for target in CPU}


@pytest.fixture(scope="session")
def machines(modules, tmp_path_factory):
    """All targets, as models use them and with traps on undefined behaviour."""
    folder = tmp_path_factory.mktemp("checked")
    checked = [Machine(target, link(target, folder, CHECKED)) for target in CPU]
    return [*checked, *(Machine(target, module) for target, module in modules.items())]


@pytest.fixture
def rng():
    """Random numbers of a printed seed; FLEET_TEST_SEED repeats it."""
    seed = int(os.environ.get("FLEET_TEST_SEED") or random.SystemRandom().getrandbits(32))
    sys.stdout.write(f"FLEET_TEST_SEED={seed}\n")
    return np.random.default_rng(seed)
