"""The update of one model as a state machine. Pure: a state, an event, the time in; a state and effects out.

    IDLE ─ wanted ─▶ RESOLVING ▶ FETCHING ▶ VERIFYING ▶ LOADING ▶ TESTING ▶ SWITCHING ▶ OBSERVING
                         ▲  │ something that may pass                                      │     │
                         │  ▼                                                    enough good     a fault
                        WAITING          a fault of the release: FAILED              ▼           ▼
                                                                                CONFIRMING   ROLLING_BACK
                                                                                     ▼           ▼
                                                                                 CONFIRMED     FAILED

Every phase but the resting ones stands for one step that the worker carries out and answers with
`Done` or `Failed` under the number of its job; answers to a job that has ended are ignored. The three
phases that write the state of the slots (SWITCHING, CONFIRMING, ROLLING_BACK) and REMOVING are never
interrupted: a change of mind waits for their end. After each event `_settle` compares what is wanted
with what is being done and starts, ends or changes the work.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from device_agent.slots.record import GivenUp
from device_agent.update.retry import delay
from protocol.documents import Fault


class Phase(StrEnum):
    """What a model's update is doing."""

    IDLE = "idle"
    RESOLVING = "resolving"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    LOADING = "loading"
    TESTING = "testing"
    SWITCHING = "switching"
    OBSERVING = "observing"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    ROLLING_BACK = "rolling-back"
    REMOVING = "removing"
    WAITING = "waiting"
    FAILED = "failed"
    BARRED = "barred"


STEPS = (
    Phase.RESOLVING, Phase.FETCHING, Phase.VERIFYING, Phase.LOADING, Phase.TESTING, Phase.SWITCHING,
    Phase.OBSERVING,
)  # fmt: skip
_UNTOUCHABLE = frozenset({Phase.SWITCHING, Phase.CONFIRMING, Phase.ROLLING_BACK, Phase.REMOVING})
_REPORTED = {
    Phase.RESOLVING: "fetching",
    Phase.SWITCHING: "testing",
    Phase.CONFIRMING: "observing",
    Phase.ROLLING_BACK: "failed",
    Phase.WAITING: "failed",
    Phase.BARRED: "failed",
    Phase.REMOVING: "idle",
}
_CANCELLABLE = frozenset(STEPS) - _UNTOUCHABLE - {Phase.OBSERVING}


@dataclass(frozen=True)
class Goal:
    """The release an assignment wants, and how to watch it."""

    manifest: bytes
    attempt: int = 0
    inferences: int = 20
    seconds: float = 30.0

    def same_job(self, other: "Goal | None") -> bool:
        """Whether work for `other` is work for this."""
        return other is not None and (self.manifest, self.attempt) == (other.manifest, other.attempt)


# -- events ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """A new assignment; None: the model is not in it."""

    goal: Goal | None


@dataclass(frozen=True)
class Barred:
    """Nothing may be installed, for this reason; None: it may again."""

    fault: Fault | None


@dataclass(frozen=True)
class Done:
    """The step of a job succeeded."""

    job: int


@dataclass(frozen=True)
class Failed:
    """The step of a job failed; `for_good`: trying again would end the same."""

    job: int
    fault: Fault
    for_good: bool


@dataclass(frozen=True)
class Inferred:
    """The release under observation answered, or failed to."""

    job: int
    fault: Fault | None = None


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Event = Wanted | Barred | Done | Failed | Inferred | Tick

# -- effects -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Carry out the step of a phase and answer."""

    job: int
    phase: Phase
    goal: Goal


@dataclass(frozen=True)
class Cancel:
    """End the job's step and forget its runner; no answer."""

    job: int


@dataclass(frozen=True)
class RollBack:
    """Go back to the confirmed release, remembering why if the release failed; answer."""

    job: int
    given_up: GivenUp | None


@dataclass(frozen=True)
class GiveUp:
    """Remember durably that a release failed."""

    given_up: GivenUp


@dataclass(frozen=True)
class Remove:
    """Stop serving the model and delete what is stored of it; answer."""

    job: int


Effect = Step | Cancel | RollBack | GiveUp | Remove


@dataclass(frozen=True)
class State:
    """All that the machine knows.

    Attributes:
        goal: What is wanted; None: that the model be absent.
        known: Whether any assignment has been seen; before that nothing is removed.
        work: What is being installed, if anything is.
        confirmed: Manifest of the release that serves and is confirmed.
        given_up: The release last given up for good.
        fault: What to tell about the goal.
        failures: Failures in a row that may pass.
        wake: When to try again.
        stored: Whether something of the model may lie on the disk.
        stalled: Whether going back or removing failed, and waits for `wake`.
        seen: Good inferences of the release under observation, since `since`.
    """

    phase: Phase = Phase.IDLE
    job: int = 0
    goal: Goal | None = None
    known: bool = False
    work: Goal | None = None
    confirmed: bytes | None = None
    given_up: GivenUp | None = None
    undoing: GivenUp | None = None
    barred: Fault | None = None
    fault: Fault | None = None
    failures: int = 0
    wake: float = 0.0
    stored: bool = False
    stalled: bool = False
    seen: int = 0
    since: float = 0.0

    @property
    def reported(self) -> str:
        """The word for it in a report (`protocol.documents.ModelReport`)."""
        return _REPORTED.get(self.phase, str(self.phase))


def resume(confirmed: bytes | None, trial: Goal | None, given_up: GivenUp | None, now: float) -> State:
    """The state after a start, from what the slots hold; a trial is observed from the beginning."""
    if trial is not None:
        return State(
            Phase.OBSERVING, 1, goal=trial, work=trial, confirmed=confirmed, given_up=given_up, stored=True,
            since=now,
        )  # fmt: skip
    phase = Phase.CONFIRMED if confirmed else Phase.IDLE
    return State(phase, confirmed=confirmed, given_up=given_up, stored=True)


def step(state: State, event: Event, now: float, chance: float = 0.0) -> tuple[State, list[Effect]]:
    """Take one event.

    Args:
        state: Before it.
        event: What happened.
        now: A monotonic clock, seconds.
        chance: A random number in [0, 1) for the jitter of a retry.

    Returns:
        The state after it, and what to do, in order.
    """
    effects: list[Effect] = []
    match event:
        case Wanted(goal):
            if goal is None or not goal.same_job(state.goal):
                state = replace(state, failures=0, wake=now, fault=None)
            elif state.work is not None and goal.same_job(state.work):
                state = replace(state, work=goal)
            state = replace(state, goal=goal, known=True)
        case Barred(fault):
            state = replace(state, barred=fault)
        case Done(job) if job == state.job:
            state, effects = _done(state, now)
        case Failed(job, fault, for_good) if job == state.job:
            state, effects = _failed(state, fault, now, chance, for_good=for_good)
        case Inferred(job, fault) if job == state.job and state.phase is Phase.OBSERVING and state.work:
            state, effects = _inferred(state, state.work, fault)
        case Tick():
            state, effects = _tick(state, now)
        case _:
            return state, []
    state, more = _settle(state, now)
    return state, effects + more


def _done(state: State, now: float) -> tuple[State, list[Effect]]:
    match state.phase:
        case Phase.CONFIRMING if state.work is not None:
            return replace(
                state, phase=Phase.CONFIRMED, confirmed=state.work.manifest, work=None, given_up=None,
                fault=None, failures=0,
            ), []  # fmt: skip
        case Phase.ROLLING_BACK:
            return replace(state, phase=Phase.IDLE, work=None, undoing=None), []
        case Phase.REMOVING:
            return replace(state, phase=Phase.IDLE, confirmed=None, given_up=None, stored=False), []
        case phase if phase in STEPS[:-1] and state.work is not None:
            following = STEPS[STEPS.index(phase) + 1]
            if following is Phase.OBSERVING:
                return replace(state, phase=following, seen=0, since=now, fault=None), []
            return replace(state, phase=following), [Step(state.job, following, state.work)]
        case _:
            return state, []


def _failed(
    state: State, fault: Fault, now: float, chance: float, *, for_good: bool
) -> tuple[State, list[Effect]]:
    wake = now + delay(state.failures + 1, chance)
    state = replace(state, failures=state.failures + 1, wake=wake, fault=fault)
    if state.phase is Phase.CONFIRMING and for_good:
        # A new root disowns it. It is wanted still, and may come again under other signatures.
        return replace(state, phase=Phase.ROLLING_BACK, undoing=None), [RollBack(state.job, None)]
    if state.phase in (Phase.CONFIRMING, Phase.ROLLING_BACK, Phase.REMOVING):
        # Only storage can fail here; the step is tried again when the time has come.
        if state.phase is Phase.CONFIRMING:
            return replace(state, phase=Phase.OBSERVING), []
        return replace(state, stalled=True), []
    if state.work is None or state.phase not in STEPS:
        return state, []
    if not for_good:
        return replace(state, phase=Phase.WAITING, work=None), [Cancel(state.job)]
    given_up = GivenUp(manifest=state.work.manifest, attempt=state.work.attempt, fault=fault)
    return (
        replace(state, phase=Phase.FAILED, work=None, given_up=given_up),
        [Cancel(state.job), GiveUp(given_up)],
    )


def _inferred(state: State, work: Goal, fault: Fault | None) -> tuple[State, list[Effect]]:
    if fault is None:
        state = replace(state, seen=state.seen + 1)
        return _confirm(state, work) if state.seen >= work.inferences else (state, [])
    given_up = GivenUp(manifest=work.manifest, attempt=work.attempt, fault=fault)
    return (
        replace(state, phase=Phase.ROLLING_BACK, given_up=given_up, undoing=given_up, fault=fault),
        [RollBack(state.job, given_up)],
    )


def _confirm(state: State, work: Goal) -> tuple[State, list[Effect]]:
    return replace(state, phase=Phase.CONFIRMING), [Step(state.job, Phase.CONFIRMING, work)]


def _tick(state: State, now: float) -> tuple[State, list[Effect]]:
    if now < state.wake:
        return state, []
    match state.phase:
        case Phase.OBSERVING if state.work is not None:
            # `seconds` may have passed, or enough inferences while the confirmation could not be stored.
            if now - state.since >= state.work.seconds or state.seen >= state.work.inferences > 0:
                return _confirm(state, state.work)
        case Phase.ROLLING_BACK if state.stalled:
            return replace(state, stalled=False), [RollBack(state.job, state.undoing)]
        case Phase.REMOVING if state.stalled:
            return replace(state, stalled=False), [Remove(state.job)]
        case _:
            pass
    return state, []


def _settle(state: State, now: float) -> tuple[State, list[Effect]]:
    """Compare what is wanted with what is being done."""
    effects: list[Effect] = []
    if state.phase in _UNTOUCHABLE or not state.known:
        return state, effects
    goal = state.goal
    if state.work is not None and (goal is None or not goal.same_job(state.work)):
        if state.phase is Phase.OBSERVING:
            if goal is not None and goal.manifest == state.work.manifest:
                return replace(state, work=goal), effects
            return replace(state, phase=Phase.ROLLING_BACK, undoing=None), [RollBack(state.job, None)]
        effects.append(Cancel(state.job))
        state = replace(state, work=None, phase=Phase.IDLE)
    if state.work is not None and state.barred and state.phase in _CANCELLABLE:
        effects.append(Cancel(state.job))
        state = replace(state, work=None, phase=Phase.IDLE)
    if state.work is not None:
        return state, effects
    return _rest_or_begin(state, now, effects)


def _rest_or_begin(state: State, now: float, effects: list[Effect]) -> tuple[State, list[Effect]]:
    """With no work in hand: rest if all is as wanted, or cannot be; else begin."""
    goal = state.goal
    if goal is None:
        if not state.stored:
            return replace(state, phase=Phase.IDLE, fault=None), effects
        job = state.job + 1
        return replace(state, phase=Phase.REMOVING, job=job, failures=0), [*effects, Remove(job)]
    given_up = state.given_up
    if goal.manifest == state.confirmed:
        state = replace(state, phase=Phase.CONFIRMED, fault=None)
    elif given_up and (given_up.manifest, given_up.attempt) == (goal.manifest, goal.attempt):
        state = replace(state, phase=Phase.FAILED, fault=given_up.fault)
    elif state.barred is not None:
        state = replace(state, phase=Phase.BARRED, fault=state.barred)
    elif now < state.wake:
        state = replace(state, phase=Phase.WAITING)
    else:
        state = replace(state, phase=Phase.RESOLVING, job=state.job + 1, work=goal, stored=True)
        effects.append(Step(state.job, Phase.RESOLVING, goal))
    return state, effects
