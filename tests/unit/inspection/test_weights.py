"""Histograms of weights."""

import numpy as np
import pytest

from controller.compiler.ir import Quant, Tensor
from controller.inspection.weights import BINS, _histogram, stored_weights
from tests.unit.inspection import samples


def test_stored_integers():
    meta = samples.meta(samples.LAYERS[:1])
    memory = {4096: np.array([0] * 60 + [-128, 127, 1, -1], np.int8).tobytes()}
    (found,) = stored_weights(meta, lambda offset, size: memory[offset][:size])
    assert (found.layer, found.count, found.low, found.high) == (0, 64, -128, 128)
    assert (found.after[0], found.after[-1]) == (1, 1)
    assert (found.after[BINS // 2], found.after[BINS // 2 - 1]) == (61, 1)
    assert found.before is None


def test_before_and_after_have_one_scale():
    floats = np.array([[-1.0, 0.5], [0.1, 0.2]], np.float32)
    scales = np.array([0.5, 0.1], np.float32)
    stored = Tensor("w", np.dtype(np.int8), (2, 2), Quant(scales, 0, 0), np.array([[-2, 1], [1, 3]], np.int8))
    found = _histogram(7, stored, Tensor("w", floats.dtype, (2, 2), data=floats))
    assert (found.low, found.high, found.count) == (-1, 1, 4)
    assert sum(found.after) == sum(found.before) == 4
    # Only 0.2 was stored as 0.3: 10 log10((1 + 0.25 + 0.01 + 0.04) / 0.01).
    assert found.noise == pytest.approx(10 * np.log10(130), abs=1e-4)


def test_what_is_exact_has_no_noise():
    floats = np.zeros((2, 2), np.float32)
    stored = Tensor("w", floats.dtype, (2, 2), data=floats)
    found = _histogram(0, stored, stored)
    assert (found.noise, found.low, found.high) == (None, -1, 1)
