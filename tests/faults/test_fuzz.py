import random

import pytest

from tests.faults.fuzz import TARGETS, prove


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_crashes_the_decoder_or_the_verifier(target, tmp_path):
    seed = random.SystemRandom().randrange(1, 1 << 31)
    print("seed", seed)  # noqa: T201 - to repeat a failure
    outcome = prove([target], seed, 20, tmp_path)[target]
    assert outcome.failure is None, outcome.failure
    # A fuzz that only ever met the first check would prove little.
    assert outcome.runs > 3000
    assert outcome.coverage > 200
