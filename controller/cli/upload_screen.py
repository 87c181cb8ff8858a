"""The upload of a release: nothing when it is short, a bar with rate and time left when it is not."""

import time
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from controller.cli import text
from controller.cli.render_rollout import bar
from controller.cli.terminal import PROGRESS, QUIET, progress

QUICK = 0.3
BAR = 20


class UploadScreen:
    """Shows bytes on their way to the controller; a context manager.

    It draws nothing before the first of them: until then somebody may be asked for a passphrase.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._sent, self._total = 0, 0
        self._console = progress()
        self._live = Live(
            console=self._console, get_renderable=self._picture, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, sent: int, total: int) -> None:
        """`sent` of `total` bytes have arrived."""
        if self._console.is_terminal and not self._live.is_started:
            self._began = time.monotonic()
            self._live.start()
        self._sent, self._total = sent, total

    def _picture(self) -> Text:
        passed = time.monotonic() - self._began
        if passed < QUICK:
            return Text()
        shown = Text("  release     ", PROGRESS)
        rate = self._sent / passed
        shown.append_text(bar(self._sent / self._total, BAR, PROGRESS))
        return shown.append(
            f"  {text.part_of(self._sent, self._total)}   {text.size(rate)}/s   "
            f"{text.duration((self._total - self._sent) / rate)} left",
            QUIET,
        )
