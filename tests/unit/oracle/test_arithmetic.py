"""The functions that every operator is built from, at their edges."""

import numpy as np
import pytest

from tests.oracle import same_class
from tests.oracle.arithmetic import F32, as_int32_sum, clip, f32, maximum, minimum, rne, sum4, to_int8

NAN, INF = F32(np.nan), F32(np.inf)
NEGATIVE_ZERO = F32(-0.0)


def bits(x: np.ndarray) -> list[int]:
    return np.atleast_1d(np.asarray(x, F32)).view(np.uint32).tolist()


@pytest.mark.parametrize("choose", [maximum, minimum])
@pytest.mark.parametrize(("a", "b"), [(F32(0), NEGATIVE_ZERO), (NEGATIVE_ZERO, F32(0)), (F32(1), NAN)])
def test_the_first_operand_wins_ties_and_comparisons_with_nan(choose, a, b):
    assert bits(choose(a, b)) == bits(a)


@pytest.mark.parametrize("choose", [maximum, minimum])
def test_a_nan_in_front_stays(choose):
    assert np.isnan(choose(NAN, F32(1)))


def test_ties_round_to_even():
    assert rne(f32(np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5]))).tolist() == [0, 2, 2, 0, -2, -2]


def test_rounding_equals_the_trick_with_bits_on_its_whole_range():
    rng = np.random.default_rng(7)
    v = np.concatenate([f32(rng.uniform(-(2**22), 2**22, 100_000)), np.arange(-400, 400, dtype=F32) / 2])
    assert np.array_equal(rne(v), (v + F32(12582912)).view(np.int32) - np.int32(0x4B400000))


def test_to_int8_clamps_before_it_adds_the_zero_point():
    v = f32(np.array([-1e30, -np.inf, np.inf, 1e30, 0.5, 1.5, np.nan]))
    assert to_int8(v, 3).tolist() == [-128, -128, 127, 127, 3, 5, -128]
    assert to_int8(v, -128, lo=-128, hi=-28).tolist() == [-128, -128, -28, -28, -128, -126, -128]


def test_clip_keeps_nan_and_the_sign_of_zero():
    assert np.isnan(clip(f32(np.array([np.nan])), 0, 6))[0]
    assert bits(clip(np.array([-0.0], F32), 0, 6)) == bits(NEGATIVE_ZERO)
    assert clip(f32(np.array([-1, 7, 3])), 0, 6).tolist() == [0, 6, 3]


def test_integers_above_2_to_the_24_round_when_they_become_floats():
    assert f32(np.array([2**24 + 1, 2**24 + 3])).tolist() == [2**24, 2**24 + 4]


def test_sum4_adds_in_the_written_order():
    x = f32(np.random.default_rng(11).normal(size=(3, 23)))
    for row, total in zip(x, sum4(x)[:, 0], strict=True):
        lanes = [F32(0)] * 4
        for i, value in enumerate(row):
            lanes[i % 4] = F32(lanes[i % 4] + value)
        assert total == F32(F32(lanes[0] + lanes[2]) + F32(lanes[1] + lanes[3]))


def test_subnormals_are_kept():
    tiny = np.array([2.0**-149], F32)
    assert (tiny * F32(2))[0] == F32(2.0**-148)


def test_a_sum_beyond_int32_names_the_node():
    with pytest.raises(OverflowError, match=r"/features/3/conv"):
        as_int32_sum(np.array([2**31]), "/features/3/conv")
    assert as_int32_sum(np.array([2**31 - 1]), "n")[0] == 2**31 - 1


def test_all_nans_are_one_value_and_zeros_are_two():
    a = np.array([0x7FC00000, 0x3F800000], np.uint32).view(F32)
    b = np.array([0xFFC12345, 0x3F800000], np.uint32).view(F32)
    assert same_class(a, b)
    assert not same_class(np.array([0.0], F32), np.array([-0.0], F32))
    assert not same_class(a, a.astype(np.float64))
