"""Placing buffers: never two at one place and time, never below the bound."""

from hypothesis import given
from hypothesis import strategies as st

from controller.compiler.plan.arena import Buffer, lower_bound, place

END = 12


@st.composite
def buffers(draw):
    result = []
    for _ in range(draw(st.integers(1, 14))):
        first = draw(st.integers(-1, END - 1))
        last = draw(st.integers(first, END))
        result.append(Buffer(16 * draw(st.integers(1, 40)), first, last))
    return result


@given(buffers())
def test_no_two_meet(given_):
    done = place(given_, END)
    assert done.bound <= done.size <= sum(b.size for b in given_)
    for i, one in enumerate(given_):
        assert done.offsets[i] % 16 == 0
        assert done.offsets[i] + one.size <= done.size
        for j, other in enumerate(given_[:i]):
            if one.meets(other, END):
                apart = (
                    done.offsets[i] + one.size <= done.offsets[j]
                    or done.offsets[j] + other.size <= done.offsets[i]
                )
                assert apart


@given(buffers())
def test_the_result_is_always_the_same(given_):
    assert place(given_, END) == place(given_, END)


def test_a_chain_reaches_the_bound():
    sizes = [400, 1600, 800, 3200, 160, 1600, 32]
    chain = [Buffer(size, i - 1, i) for i, size in enumerate(sizes)]
    done = place(chain, len(sizes) - 1)
    assert done.size == done.bound == 4000


def test_outputs_meet_inputs():
    """An output stays valid while the next input is written."""
    given_ = [Buffer(160, -1, 0), Buffer(320, 0, 1), Buffer(160, 1, 2)]
    done = place(given_, 2)
    assert done.offsets[0] != done.offsets[2]
    assert lower_bound(given_, 2) == 480
