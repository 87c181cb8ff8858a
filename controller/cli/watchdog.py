"""Ends the process when a module does not come back."""

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from controller.cli.failing import DeadlineError, tell
from controller.cli.terminal import print_error
from controller.compiler import Instance


class Watchdog:
    """A thread that watches for inferences without end.

    wasmtime can interrupt a module only if each loop of it asks whether to stop, which takes a third of its
    speed; so the whole process ends, as an agent ends its runner.

    Args:
        instance: Whose inferences are watched; it tells the running layer.
        seconds: That one may take.
        late: What to do with the error of one that takes longer.
    """

    def __init__(self, instance: Instance, seconds: float, late: Callable[[DeadlineError], None]) -> None:
        self._instance, self._seconds, self._late = instance, seconds, late
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._begun = time.monotonic()

    def begin(self) -> None:
        """An inference begins now."""
        self._begun = time.monotonic()

    def _watch(self) -> None:
        while not self._ended.wait(max(self._begun + self._seconds - time.monotonic(), 0)):
            if time.monotonic() >= self._begun + self._seconds:
                self._late(DeadlineError(self._instance, self._seconds))
                return

    def __enter__(self) -> Self:
        self.begin()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


def end_process(json: bool) -> Callable[[DeadlineError], None]:
    """Tells of the error as any command does, and ends the process.

    Args:
        json: Whether it is told as JSON, too.
    """

    def end(error: DeadlineError) -> None:
        if json:
            tell(error)
        print_error(error)
        sys.stderr.flush()
        # The thread in the module never gets to an exception.
        os._exit(error.exit_code)

    return end
