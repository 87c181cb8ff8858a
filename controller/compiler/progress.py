"""How a build tells what it is doing; the command line renders it."""

from typing import Protocol


class Progress(Protocol):
    """Events of a build, in order. Every stage begins, may advance, and ends."""

    def begin(self, stage: str) -> None:
        """A stage begins: read, fetch, calibrate, quantize, compile, check or accuracy."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` units of a stage are finished; called often."""

    def end(self, stage: str, detail: str, seconds: float) -> None:
        """A stage ended; `detail` is one line, as `fleet build` shows it. "compile" ends once a target."""


class Silent:
    """Progress that nobody watches."""

    def begin(self, stage: str) -> None:
        """Nothing."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """Nothing."""

    def end(self, stage: str, detail: str, seconds: float) -> None:
        """Nothing."""
