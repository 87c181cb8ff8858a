import random

import pytest

from tests.faults.kills import prove
from tests.support.real_models import MODELS


@pytest.mark.broker
@pytest.mark.parametrize(("model", "kind"), list(zip(MODELS, ("mosquitto", "nats"), strict=True)))
def test_agent_or_runner_killed_at_25_random_moments(tmp_path, model, kind):
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)  # noqa: T201 - to repeat a failure
    prove(model, tmp_path, seed, kills=25, kind=kind)
