"""Following a rollout to its end: live on a terminal, a line for each change off it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer
from rich.live import Live
from rich.text import Text

from controller.cli import render_rollout, text
from controller.cli.terminal import PROGRESS, emit, emit_line, note, progress, say
from controller.client import Client
from protocol import api
from protocol.errors import TimedOutError, UnreachableError

POLL = 20
"""Seconds for which the controller may hold an answer back."""
OUTAGE = 60
"""Seconds without a controller after which following ends."""
GATE = "stopped by gate"
"""How the outcome of a rollout begins that a gate ended."""

ENDED = ("done", "failed", "stopped", "superseded")


@dataclass(frozen=True)
class Waiter:
    """Waits for revisions of one rollout.

    Attributes:
        client: The controller.
        number: Of the rollout.
        deadline: Of the monotonic clock; None to wait for as long as it takes.
    """

    client: Client
    number: int
    deadline: float | None = None

    def revisions(self, lost: Callable[[bool], None] = lambda _: None) -> Iterator[api.Rollout]:
        """Each new revision until the rollout ends; that one is the last.

        A controller that restarts meanwhile is waited for.

        Args:
            lost: Told when the controller stops answering (True), and when it answers again.

        Raises:
            TimedOutError: the deadline passed; the rollout goes on.
            UnreachableError: the controller was away for `OUTAGE` seconds.
        """
        after: int | None = None
        away_since: float | None = None
        while True:
            wait = self._wait()
            try:
                rollout = self.client.rollout(self.number, after=after, wait=wait)
            except UnreachableError as error:
                now = time.monotonic()
                away_since = away_since or now
                lost(True)
                if now - away_since > OUTAGE:
                    raise UnreachableError(
                        f"{error.what}; rollout {self.number} goes on without being watched",
                        remedy=f"fleet rollout show {self.number} --follow, when the controller is back",
                    ) from error
                time.sleep(min(1.0, self._wait()))
                continue
            if away_since is not None:
                away_since = None
                lost(False)
            if rollout.revision != after:
                after = rollout.revision
                yield rollout
            if rollout.state in ENDED:
                return

    def _wait(self) -> float:
        if self.deadline is None:
            return POLL
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimedOutError(
                f"rollout {self.number} has not ended in time; it goes on",
                remedy=f"fleet rollout show {self.number} --follow",
            )
        return min(POLL, max(1.0, left))


def deadline(timeout: int | None) -> float | None:
    """The moment `timeout` seconds from now."""
    return None if timeout is None else time.monotonic() + timeout


def exit_code(rollout: api.Rollout) -> int:
    """What the end of a rollout means for the shell."""
    if rollout.state in ("done", "running", "paused"):
        return 0
    return 5 if rollout.outcome.startswith(GATE) else 1


def follow(waiter: Waiter, *, json: bool, lines: bool = False) -> None:
    """Show a rollout until it ends, and leave with its exit code.

    Args:
        waiter: Of the rollout.
        json: Print the rollout as JSON at its end, instead of a sentence.
        lines: Print every revision as a line of JSON.

    Raises:
        typer.Exit: it did not end well, or Ctrl-C left it (130).
    """
    last: api.Rollout | None = None
    try:
        revisions = _live(waiter) if progress().is_terminal and not lines else _plain(waiter, quiet=lines)
        for last in revisions:
            if lines:
                emit_line(last)
    except KeyboardInterrupt:
        note(
            f"detached; rollout {waiter.number} goes on. "
            f"Watch it: fleet rollout show {waiter.number} --follow"
        )
        raise typer.Exit(130) from None
    if last is None:
        return
    if json:
        emit(last)
    elif not lines:
        say(render_rollout.ending(last))
    if exit_code(last):
        raise typer.Exit(exit_code(last))


def _plain(waiter: Waiter, *, quiet: bool) -> Iterator[api.Rollout]:
    def lost(away: bool) -> None:
        if not quiet:
            note("the controller does not answer; waiting" if away else "the controller is back")

    before: api.Rollout | None = None
    for rollout in waiter.revisions(_Edge(lost)):
        if not quiet:
            for line in render_rollout.change_lines(before, rollout):
                note(line)
        before = rollout
        yield rollout


def _live(waiter: Waiter) -> Iterator[api.Rollout]:
    out = progress()
    latest: list[api.Rollout] = []
    away = _Edge(lambda _: None)

    def picture() -> Text:
        if not latest:
            return Text("  asking the controller")
        shown = render_rollout.screen(latest[-1], out.width, time.time())
        if away.value:
            shown.append("\n  the controller does not answer; the rollout goes on, waiting", PROGRESS)
        if latest[-1].state == "paused":
            shown.append(f"\n  paused; fleet rollout resume {waiter.number} goes on", PROGRESS)
        return shown

    with Live(console=out, get_renderable=picture, refresh_per_second=8, vertical_overflow="ellipsis"):
        for rollout in waiter.revisions(away):
            latest[:] = [rollout]
            yield rollout
    out.print()


class _Edge:
    """Passes a value on only when it changes."""

    def __init__(self, to: Callable[[bool], None]) -> None:
        self.value = False
        self._to = to

    def __call__(self, value: bool) -> None:
        if value != self.value:
            self.value = value
            self._to(value)


def begun(started: api.Started, *, json: bool) -> None:
    """What `--detach` prints."""
    if json:
        emit(started)
        return
    plan = started.plan
    fitting = sum(device.target is not None for device in plan.devices)
    say(
        f"rollout {started.rollout} has begun: {plan.model} {plan.version} to "
        f"{text.some(fitting, 'device')} of {plan.group}. "
        f"Watch it: fleet rollout show {started.rollout} --follow"
    )
