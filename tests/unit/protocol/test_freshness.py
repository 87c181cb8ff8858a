import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cose import CoseError
from protocol.freshness import PATIENCE, REFRESH, Freshness
from protocol.trust import TrustError, Verifier
from tests.support.simulator import DAY, DEVICE, NOW, Repository

_NONCE, _LATER = bytes(range(16)), bytes(range(16, 32))
_OWNER = Repository()
_DEVICE = Verifier.enrol(DEVICE, _OWNER.root())


def _refused(code, call, *given):
    with pytest.raises(TrustError) as caught:
        call(*given)
    assert caught.value.code == code
    return caught.value


def test_time_counts_from_the_question():
    device = Freshness().ask(_NONCE, 100.0)
    told = device.take(_OWNER.nonce_answer(_NONCE), _DEVICE, 140.0)
    assert told.now(140.0) == NOW + 40
    assert told.now(100.0 + DAY) == NOW + DAY


@given(wait=st.floats(0, PATIENCE - 1), sent=st.floats(0, 1), later=st.floats(0, 10 * DAY))
def test_no_delay_makes_documents_fresh_for_longer(wait, sent, later):
    """The director signs at some moment between question and answer; the device's time is never behind."""
    signed_at = NOW + int(sent * wait)
    answer = _OWNER.nonce_answer(_NONCE, now=signed_at)
    told = Freshness().ask(_NONCE, 0.0).take(answer, _DEVICE, wait)
    truth = NOW + wait + later
    assert truth - 1 <= told.now(wait + later) <= truth + wait


def test_before_the_first_answer_there_is_no_time():
    for device in (Freshness(), Freshness().ask(_NONCE, 5.0)):
        assert _refused("no-time", device.now, 1e6).remedy


def test_answers_are_taken_once_in_time_and_to_the_newest_question_only():
    answer = _OWNER.nonce_answer(_NONCE)
    _refused("not-asked", Freshness().take, answer, _DEVICE, 0.0)
    asked = Freshness().ask(_NONCE, 0.0)
    _refused("late", asked.take, answer, _DEVICE, float(PATIENCE))
    told = asked.take(answer, _DEVICE, 1.0)
    _refused("not-asked", told.take, answer, _DEVICE, 2.0)
    _refused("wrong-nonce", told.ask(_LATER, 3.0).take, answer, _DEVICE, 4.0)
    with pytest.raises(CoseError):
        asked.take(_OWNER.nonce_answer(_NONCE, "release"), _DEVICE, 1.0)


def test_it_asks_after_a_start_when_nobody_answers_and_once_an_hour():
    device = Freshness()
    assert device.is_due(0.0)
    device = device.ask(_NONCE, 0.0)
    assert not device.is_due(PATIENCE - 1.0)
    assert device.is_due(float(PATIENCE))
    device = device.ask(_LATER, 70.0).take(_OWNER.nonce_answer(_LATER), _DEVICE, 71.0)
    assert not device.is_due(70.0 + REFRESH - 1)
    assert device.is_due(70.0 + REFRESH)


def test_the_answer_betrays_a_withheld_assignment():
    """A freeze is noticed long before the old assignment expires."""
    device, old = _DEVICE.accept_assignment(_OWNER.assignment(1), NOW)
    told = Freshness().ask(_NONCE, 0.0).take(_OWNER.nonce_answer(_NONCE, generation=2), device, 1.0)
    _refused("withheld", told.check_newest, old)
    _, new = device.accept_assignment(_OWNER.assignment(2), told.now(2.0))
    told.check_newest(new)
