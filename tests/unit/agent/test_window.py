from hypothesis import given
from hypothesis import strategies as st

from device_agent.link.window import Window
from device_agent.update.retry import delay


def test_no_more_subscriptions_than_the_window_is_wide():
    window = Window(size=3)
    for topic in "abcdef":
        window.want(topic)
    assert window.step(0).subscribe == ["a", "b", "c"]
    assert window.step(0.1).subscribe == []
    window.drop("b")
    actions = window.step(0.2)
    assert (actions.subscribe, actions.unsubscribe) == (["d"], ["b"])


def test_silence_means_subscribing_anew_once_and_then_missing():
    window = Window(size=2, stall=3)
    window.want("a")
    window.step(0)
    assert window.missing == []
    actions = window.step(3)
    assert (actions.unsubscribe, actions.subscribe) == (["a"], ["a"])
    actions = window.step(6)
    assert (actions.unsubscribe, actions.subscribe) == (["a"], [])
    assert window.missing == ["a"]
    assert window.step(6 + 60).subscribe == ["a"]


def test_a_missing_topic_does_not_hold_up_the_others():
    window = Window(size=1, stall=3)
    window.want("gone")
    window.want("there")
    window.step(0)
    window.step(3)
    assert window.step(6).subscribe == ["there"]


def test_a_wrong_payload_is_missing_and_rests():
    window = Window(size=1)
    window.want("a")
    window.step(0)
    window.rejected("a", 1)
    assert window.missing == ["a"]
    actions = window.step(1.1)
    assert (actions.unsubscribe, actions.subscribe) == (["a"], [])
    assert window.step(30).subscribe == ["a"]


def test_after_a_new_connection_everything_is_subscribed_to_again():
    window = Window(size=4)
    for topic in "ab":
        window.want(topic)
    window.step(0)
    window.disconnected()
    actions = window.step(1)
    assert (actions.subscribe, actions.unsubscribe) == (["a", "b"], [])


@given(st.lists(st.tuples(st.sampled_from("wdrsc"), st.integers(0, 5), st.floats(0, 10))), st.integers(1, 4))
def test_the_broker_never_holds_more_than_the_window(events, size):
    window, held, now = Window(size=size), set(), 0.0
    for kind, number, passed in events:
        topic = str(number)
        now += passed
        match kind:
            case "w":
                window.want(topic)
            case "d":
                window.drop(topic)
            case "r":
                window.rejected(topic, now)
            case "c":
                window.disconnected()
                held.clear()
        actions = window.step(now)
        assert set(actions.unsubscribe) <= held
        held -= set(actions.unsubscribe)
        assert not set(actions.subscribe) & held
        held |= set(actions.subscribe)
        assert len(held) <= size


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_are_bounded_and_spread(failures, chance):
    assert 0.5 <= delay(failures, chance) <= 120
    assert delay(failures, 0.0) * 2 >= delay(failures, chance)
