"""A network that keeps state, step by step: short form of `scripts/prove recurrent`."""

import numpy as np
import pytest

from tests.prove import recurrent

SEED = 41


@pytest.mark.parametrize("target", recurrent.TARGETS)
def test_a_streaming_module_follows_onnxruntime(target):
    random = np.random.default_rng(SEED)
    # Loud and quiet stretches of tones in noise: the state has something to remember.
    time = np.arange(120 * recurrent.WINDOW) / recurrent.RATE
    loudness = np.repeat(random.random(120) ** 3, recurrent.WINDOW)
    tones = sum(np.sin(2 * np.pi * pitch * time) for pitch in (140, 280, 700, 1100)) / 4
    samples = loudness * (tones + 0.2 * random.standard_normal(len(time)))
    result = recurrent.compare(target, recurrent.frames(samples.astype(np.float32)))
    assert result.steps == 120
    assert result.difference <= recurrent.LIMIT, f"seed {SEED}"
