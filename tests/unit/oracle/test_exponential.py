"""The page's exp against float64."""

import numpy as np
import pytest

from tests.oracle.arithmetic import F32
from tests.oracle.exponential import exp


def ulps(x: np.ndarray) -> np.ndarray:
    """The distance of exp(x) from the exact value, in units of the result's last place."""
    exact = np.exp(x.astype(np.float64))
    # Below 2**-126 the last place is that of subnormals.
    unit = 2.0 ** (np.floor(np.log2(np.maximum(exact, 2.0**-126))) - 23)
    return np.abs(exp(x).astype(np.float64) - exact) / unit


def test_error_is_below_one_ulp_over_the_whole_range():
    x = np.linspace(-104, 88.7, 2_000_001, dtype=np.float64).astype(F32)
    assert ulps(x).max() < 1


def test_error_is_below_one_ulp_close_to_zero():
    rng = np.random.default_rng(3)
    x = (rng.choice([-1, 1], 200_000) * 2.0 ** rng.uniform(-40, 1, 200_000)).astype(F32)
    assert ulps(x).max() < 1


@pytest.mark.parametrize(
    ("x", "y"),
    [(0.0, 1.0), (-0.0, 1.0), (np.inf, np.inf), (-np.inf, 0.0), (89.0, np.inf), (-1e30, 0.0), (1e-40, 1.0)],
)
def test_edges(x, y):
    with np.errstate(over="ignore", under="ignore"):
        assert exp(np.array([x], F32))[0] == y


def test_nan_stays_nan():
    assert np.isnan(exp(np.array([np.nan, -np.nan], F32))).all()


def test_subnormal_results_are_rounded_once():
    # Down here 24 bits of the unscaled value are far finer than the last place of the result.
    x = np.linspace(-103.9, -98, 50_001).astype(F32)
    assert (exp(x) < 2.0**-126).all()
    assert ulps(x).max() < 0.501
