from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agent.slots.record import GivenUp
from device_agent.update import machine
from device_agent.update.machine import (
    Barred,
    Cancel,
    Done,
    Failed,
    GiveUp,
    Goal,
    Inferred,
    Phase,
    Remove,
    RollBack,
    State,
    Step,
    Tick,
    Wanted,
    resume,
    step,
)
from protocol.documents import Fault

ONE, TWO = Goal(b"1" * 32, inferences=3, seconds=10), Goal(b"2" * 32, inferences=3, seconds=10)
REVOKED = Fault(code="signature", text="a root has revoked its key")
TRAP = Fault(code="trap", text="trap in conv_1")
FULL = Fault(code="disk-full", text="no room")


def drive(state: State, *events: machine.Event, now: float = 0.0) -> tuple[State, list[machine.Effect]]:
    effects: list[machine.Effect] = []
    for event in events:
        state, more = step(state, event, now)
        effects += more
    return state, effects


def observing(goal: Goal = ONE, confirmed: bytes | None = None) -> State:
    state, _ = drive(State(confirmed=confirmed), Wanted(goal))
    for _ in range(6):
        state, _ = step(state, Done(state.job), 0.0)
    assert state.phase is Phase.OBSERVING
    return state


def confirmed(goal: Goal = ONE) -> State:
    state = observing(goal)
    state, _ = drive(state, *[Inferred(state.job)] * goal.inferences, Done(state.job))
    assert state.phase is Phase.CONFIRMED
    return state


def test_the_steps_come_in_order_and_each_waits_for_the_one_before():
    state, effects = drive(State(), Wanted(ONE))
    phases = []
    while effects:
        (effect,) = effects
        assert isinstance(effect, Step)
        phases.append(effect.phase)
        state, effects = step(state, Done(state.job), 0.0)
    assert phases == list(machine.STEPS[:-1])
    assert state.phase is Phase.OBSERVING


def test_confirmed_after_enough_inferences():
    state = observing()
    state, effects = drive(state, Inferred(state.job), Inferred(state.job))
    assert not effects
    state, effects = drive(state, Inferred(state.job))
    assert effects == [Step(state.job, Phase.CONFIRMING, ONE)]
    state, effects = drive(state, Done(state.job))
    assert (state.phase, state.confirmed, effects) == (Phase.CONFIRMED, ONE.manifest, [])


def test_confirmed_after_enough_time_without_an_inference():
    state = observing()
    state, effects = step(state, Tick(), 9.9)
    assert not effects
    state, effects = step(state, Tick(), 10.0)
    assert effects == [Step(state.job, Phase.CONFIRMING, ONE)]


def test_a_fault_in_the_trial_rolls_back_and_is_not_tried_again():
    state = observing(TWO, confirmed=ONE.manifest)
    given_up = GivenUp(manifest=TWO.manifest, attempt=0, fault=TRAP)
    state, effects = drive(state, Inferred(state.job, TRAP))
    assert effects == [RollBack(state.job, given_up)]
    state, effects = drive(state, Done(state.job))
    assert (state.phase, state.fault, effects) == (Phase.FAILED, TRAP, [])
    state, effects = drive(state, Tick(), Wanted(TWO), now=1e6)
    assert (state.phase, effects) == (Phase.FAILED, [])


@pytest.mark.parametrize("again", [replace(TWO, attempt=1), Goal(b"3" * 32)])
def test_a_new_attempt_or_another_release_is_tried_after_a_failure(again):
    state = observing(TWO, confirmed=ONE.manifest)
    state, _ = drive(state, Inferred(state.job, TRAP), Done(state.job))
    state, effects = drive(state, Wanted(again))
    assert effects == [Step(state.job, Phase.RESOLVING, again)]


def test_a_passing_fault_is_retried_with_growing_pauses_and_reported_as_failed():
    state, _ = drive(State(), Wanted(ONE))
    now, pauses = 0.0, []
    for _ in range(12):
        state, effects = step(state, Failed(state.job, FULL, for_good=False), now)
        assert effects == [Cancel(state.job)]
        assert (state.phase, state.fault, state.reported) == (Phase.WAITING, FULL, "failed")
        pauses.append(state.wake - now)
        state, effects = step(state, Tick(), state.wake - 0.01)
        assert not effects
        now = state.wake
        state, effects = step(state, Tick(), now)
        assert effects == [Step(state.job, Phase.RESOLVING, ONE)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 1.0
    assert pauses[-1] <= 120


def test_a_lasting_fault_is_remembered():
    state, _ = drive(State(), Wanted(ONE))
    state, effects = drive(state, Failed(state.job, TRAP, for_good=True))
    given_up = GivenUp(manifest=ONE.manifest, attempt=0, fault=TRAP)
    assert effects == [Cancel(state.job), GiveUp(given_up)]
    assert state.phase is Phase.FAILED
    assert resume(None, None, given_up, 0.0).given_up == given_up


def test_another_wish_replaces_work_that_has_not_switched():
    state, _ = drive(State(), Wanted(ONE))
    old = state.job
    state, effects = drive(state, Wanted(TWO))
    assert effects == [Cancel(old), Step(state.job, Phase.RESOLVING, TWO)]
    after, effects = drive(state, Done(old), Failed(old, TRAP, for_good=True))
    assert (after, effects) == (state, [])


@pytest.mark.parametrize("done", [5, 6])
def test_another_wish_waits_for_the_switch_and_then_rolls_back(done):
    state, _ = drive(State(confirmed=ONE.manifest), Wanted(TWO))
    for _ in range(5):
        state, _ = step(state, Done(state.job), 0.0)
    assert state.phase is Phase.SWITCHING
    if done == 5:
        state, effects = drive(state, Wanted(ONE))
        assert not effects
        state, effects = drive(state, Done(state.job))
    else:
        state, _ = drive(state, Done(state.job))
        state, effects = drive(state, Wanted(ONE))
    assert effects == [RollBack(state.job, None)]
    state, effects = drive(state, Done(state.job))
    assert (state.phase, effects) == (Phase.CONFIRMED, [])


def test_a_new_attempt_of_the_release_on_trial_goes_on_observing():
    state = observing()
    state, effects = drive(state, Wanted(replace(ONE, attempt=7, inferences=1)))
    assert (state.phase, effects) == (Phase.OBSERVING, [])
    state, effects = drive(state, Inferred(state.job))
    assert [e.phase for e in effects if isinstance(e, Step)] == [Phase.CONFIRMING]


def test_an_absent_model_is_removed_once():
    state, effects = drive(confirmed(), Wanted(None))
    assert effects == [Remove(state.job)]
    state, effects = drive(state, Done(state.job), Tick(), Wanted(None))
    assert (state.phase, state.confirmed, effects) == (Phase.IDLE, None, [])


@pytest.mark.parametrize("state", [drive(State(), Wanted(ONE))[0], resume(None, None, None, 0.0)])
def test_what_was_only_fetched_is_removed_too(state):
    state, effects = drive(state, Wanted(None))
    assert effects[-1] == Remove(state.job)
    state, effects = drive(state, Done(state.job), Tick())
    assert (state.phase, state.stored, effects) == (Phase.IDLE, False, [])


def test_removal_of_a_release_on_trial_rolls_back_first():
    state, effects = drive(observing(), Wanted(None))
    assert effects == [RollBack(state.job, None)]


def test_nothing_is_removed_before_an_assignment_was_seen():
    state = resume(ONE.manifest, None, None, 0.0)
    assert drive(state, Tick(), now=1e6) == (state, [])


def test_barred_work_stops_before_the_switch_and_goes_on_afterwards():
    fault = Fault(code="expired", text="assignment expired")
    state, _ = drive(State(), Wanted(ONE))
    state, effects = drive(state, Barred(fault))
    assert effects == [Cancel(state.job)]
    assert (state.phase, state.fault, state.reported) == (Phase.BARRED, fault, "failed")
    state, effects = drive(state, Barred(None))
    assert effects == [Step(state.job, Phase.RESOLVING, ONE)]


def test_a_bar_does_not_touch_what_runs():
    fault = Fault(code="expired", text="assignment expired")
    for state in (observing(), confirmed()):
        after, effects = drive(state, Barred(fault))
        assert (after.phase, effects) == (state.phase, [])


def test_storage_that_fails_while_confirming_is_tried_again():
    state = observing()
    state, _ = drive(state, *[Inferred(state.job)] * 3)
    state, _ = step(state, Failed(state.job, FULL, for_good=False), 0.0)
    assert state.phase is Phase.OBSERVING
    state, effects = step(state, Tick(), 2.0)
    assert effects == [Step(state.job, Phase.CONFIRMING, ONE)]


def test_a_release_that_may_not_be_confirmed_goes_back_and_is_tried_again():
    state = observing()
    state, _ = drive(state, *[Inferred(state.job)] * 3)
    state, effects = step(state, Failed(state.job, REVOKED, for_good=True), 0.0)
    assert effects == [RollBack(state.job, None)]
    state, effects = step(state, Done(state.job), 0.0)
    assert (state.phase, state.fault, state.given_up, effects) == (Phase.WAITING, REVOKED, None, [])
    state, effects = step(state, Tick(), 2.0)
    assert effects == [Step(state.job, Phase.RESOLVING, ONE)]


@pytest.mark.parametrize("effect", [RollBack, Remove])
def test_storage_that_fails_while_going_back_is_tried_again(effect):
    event = Wanted(None) if effect is Remove else Inferred(1, TRAP)
    state, _ = drive(confirmed() if effect is Remove else observing(), event)
    state, _ = step(state, Failed(state.job, FULL, for_good=False), 0.0)
    state, effects = step(state, Tick(), 2.0)
    assert [type(e) for e in effects] == [effect]
    assert drive(state, Tick(), now=3.0)[1] == []


def test_a_trial_found_at_start_is_observed_from_the_beginning():
    state = resume(ONE.manifest, TWO, None, now=100.0)
    state, effects = step(state, Tick(), 109.9)
    assert not effects
    state, effects = step(state, Tick(), 110.0)
    assert effects == [Step(1, Phase.CONFIRMING, TWO)]


GOALS = st.sampled_from([None, ONE, TWO, replace(ONE, attempt=1)])
FAULTS = st.sampled_from([None, TRAP])


class World:
    """Answers effects as a worker would, and checks what it is asked."""

    def __init__(self) -> None:
        self.state = State()
        self.now = 0.0
        self.open: int | None = None
        self.on_trial: bytes | None = None
        self.installed: bytes | None = None

    def give(self, event: machine.Event) -> None:
        before = self.state
        self.state, effects = step(before, event, self.now)
        for effect in effects:
            self._take(effect)
        busy = self.state.phase in (*machine.STEPS[:-1], Phase.CONFIRMING, Phase.ROLLING_BACK, Phase.REMOVING)
        assert (busy and not self.state.stalled) == (self.open is not None), (before, event, self.state)

    def _take(self, effect: machine.Effect) -> None:
        match effect:
            case Cancel(job):
                assert job == self.state.job or self.open is None or self.open == job
                self.open = None
            case Step(job, phase, goal):
                assert self.open is None, "two steps at a time"
                self.open = job
                if phase is Phase.SWITCHING:
                    assert self.on_trial is None
                if phase is Phase.CONFIRMING:
                    assert self.on_trial == goal.manifest
            case RollBack(job, _) | Remove(job):
                assert self.open is None
                self.open = job

    def answer(self, fault: Fault | None, *, for_good: bool) -> None:
        if self.open is None:
            return
        job, self.open = self.open, None
        phase, work = self.state.phase, self.state.work
        if fault is None:
            if phase is Phase.SWITCHING:
                self.on_trial = work.manifest if work else None
            elif phase is Phase.CONFIRMING:
                self.installed, self.on_trial = self.on_trial, None
            elif phase is Phase.ROLLING_BACK:
                self.on_trial = None
            elif phase is Phase.REMOVING:
                self.installed = None
            self.give(Done(job))
        else:
            self.give(Failed(job, fault, for_good))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_whatever_happens_it_converges_when_faults_end(data):
    world = World()
    for _ in range(data.draw(st.integers(0, 40))):
        kind = data.draw(st.sampled_from(["wanted", "barred", "answer", "inferred", "tick", "stale"]))
        world.now += data.draw(st.sampled_from([0.0, 0.5, 5.0, 200.0]))
        if kind == "wanted":
            world.give(Wanted(data.draw(GOALS)))
        elif kind == "barred":
            world.give(Barred(data.draw(FAULTS)))
        elif kind == "answer":
            world.answer(data.draw(FAULTS), for_good=data.draw(st.booleans()))
        elif kind == "inferred":
            world.give(Inferred(world.state.job, data.draw(FAULTS)))
        elif kind == "stale":
            world.give(Done(world.state.job - 1))
        else:
            world.give(Tick())
    goal = data.draw(GOALS)
    goal = goal and replace(goal, attempt=99)
    world.give(Barred(None))
    world.give(Wanted(goal))
    for _ in range(40):
        world.now += 200.0
        world.give(Tick())
        world.answer(None, for_good=False)
    assert world.state.phase is (Phase.CONFIRMED if goal else Phase.IDLE)
    assert world.installed == (goal.manifest if goal else None)
    assert world.on_trial is None
