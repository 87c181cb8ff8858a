import random

import pytest

from tests.faults.kills import WEIGHTS, prove


@pytest.mark.broker
@pytest.mark.parametrize(("model", "kind"), list(zip(WEIGHTS, ("mosquitto", "nats"), strict=True)))
def test_agent_or_runner_killed_at_25_random_moments(tmp_path, model, kind):
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)  # noqa: T201 - to repeat a failure
    prove(model, tmp_path, seed, kills=25, kind=kind)
