import random

from tests.faults.frontend import prove


def test_5000_damaged_files_give_errors_of_our_own():
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)  # noqa: T201 - to repeat a failure
    outcome = prove(seed, 5000, jobs=2)
    assert not outcome.failures, outcome.failures
    assert sum(outcome.counts.values()) == 5000
    # Damage that only ever met the first check would prove little.
    assert outcome.counts["sound"] > 500
    assert outcome.counts["UnsupportedError"] > 200
