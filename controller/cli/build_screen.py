"""What `fleet build` shows while it works: a line for each stage when it is done, a bar meanwhile."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from controller.cli import text
from controller.cli.render_rollout import bar
from controller.cli.terminal import PROGRESS, QUIET, progress

QUICK, PATIENT = 0.3, 2.0
"""Seconds after which a stage is named, and after which it has a bar."""
BAR = 20


@dataclass(frozen=True)
class Stage:
    """A stage that has ended."""

    stage: str
    detail: str
    seconds: float


class BuildScreen:
    """The compiler's `Progress`, on a terminal or in a log; a context manager.

    Args:
        title: Of the model; opens the first line.
    """

    def __init__(self, title: str) -> None:
        self.stages: list[Stage] = []
        self._title = title
        self._console = progress()
        self._current = ""
        self._began = 0.0
        self._done = (0, 0)
        self._live = Live(
            console=self._console, get_renderable=self._picture, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, stage: str) -> None:
        """A stage begins."""
        self._current, self._began, self._done = stage, time.monotonic(), (0, 0)

    def advance(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` units of it are finished."""
        del stage
        self._done = (done, total)

    def end(self, stage: str, detail: str, seconds: float) -> None:
        """It ended; its line stays."""
        # A stage that ends once for each target says its name once.
        name = "" if self.stages and self.stages[-1].stage == stage else stage
        self.stages.append(Stage(stage, detail, seconds))
        if stage == "read":
            line = Text.assemble(f"{self._title}  {detail}")
        else:
            took = f"   {seconds:.1f} s" if seconds >= 0.1 else ""
            line = Text.assemble(f"  {name:<10}  {detail}", (took, QUIET))
        self._current = ""
        self._console.print(line, soft_wrap=True)

    def _picture(self) -> Text:
        passed = time.monotonic() - self._began
        if not self._current or passed < QUICK:
            return Text()
        shown = Text(f"  {self._current:<10}  ", PROGRESS)
        done, total = self._done
        if not total or not done:
            return shown.append(text.duration(passed), QUIET)
        if passed < PATIENT:
            return shown.append(f"{text.count(done)} of {text.count(total)}", QUIET)
        rate = done / passed
        shown.append_text(bar(done / total, BAR, PROGRESS))
        return shown.append(
            f"  {text.count(done)} of {text.count(total)}   {rate:.3g}/s   "
            f"{text.duration((total - done) / rate)} left",
            QUIET,
        )
