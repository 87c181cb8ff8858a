"""Placing buffers: never two at one place and time, never below the bound."""

from hypothesis import given
from hypothesis import strategies as st

from controller.compiler.plan.arena import Buffer, lower_bound, place
from controller.compiler.plan.steps import Distance

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


@st.composite
def chains(draw):
    """Layer after layer, each reading the one before and allowed to run over it; with scratch beside."""
    count = draw(st.integers(2, 9))
    sizes = [16 * draw(st.integers(1, 60)) for _ in range(count)]
    made = [Buffer(size, i - 1, i) for i, size in enumerate(sizes)]
    made += [Buffer(16 * draw(st.integers(1, 9)), i, i) for i in range(count - 1)]
    distance = st.integers(-200, 600)
    overlaps = {
        (i, i - 1): Distance(draw(distance), draw(distance | st.none()))
        for i in range(1, count - 1)
        if draw(st.booleans())
    }
    return made, overlaps


@given(chains())
def test_overlapping_keeps_its_distance(chain):
    made, overlaps = chain
    end = max(b.last for b in made)
    done = place(made, end, overlaps)
    assert lower_bound(made, end, overlaps) == done.bound <= done.size
    for i, one in enumerate(made):
        for j, other in enumerate(made):
            if i == j or not one.meets(other, end) or (j, i) in overlaps:
                continue
            lead = done.offsets[i] - done.offsets[j]
            allowed = lead >= other.size or -lead >= one.size
            if (i, j) in overlaps:
                distance = overlaps[i, j]
                allowed |= -lead >= distance.below
                allowed |= distance.above is not None and lead >= distance.above
            assert allowed


def test_in_place_layers_take_the_largest_only():
    sizes = [800, 1600, 1600, 400]
    made = [Buffer(size, i - 1, i) for i, size in enumerate(sizes)]
    overlaps = {(1, 0): Distance(800, 800), (2, 1): Distance(0, 0)}
    assert place(made, 3, overlaps).size == lower_bound(made, 3, overlaps) == 2000


def test_layers_that_drift_go_back_up():
    """Each output must begin 160 bytes off its input: forwards below it, backwards above."""
    made = [Buffer(1600, i - 1, i) for i in range(6)]
    overlaps = {(i, i - 1): Distance(160, 160) for i in range(1, 5)}
    done = place(made, 5, overlaps)
    assert done.size == 3200
    forwards = {pair: Distance(distance.below, None) for pair, distance in overlaps.items()}
    assert place(made, 5, forwards).bound == 3200
