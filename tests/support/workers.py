"""Runs many short jobs in two forked processes; one that hangs or crashes takes only itself down.

Not for a process that has started threads, such as those of wasmtime's compiler: see `tests.bench.onnx.run`.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

PROCESSES = 2


class _Worker(Generic[Job, Result]):
    """One process; `pipe` becomes readable when its job is done or it has died."""

    def __init__(self, function: Callable[[Job], Result]) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, job: Job, seconds: float) -> None:
        self.job, self.deadline = job, time.monotonic() + seconds
        self.pipe.send(job)

    def result(self) -> Result | None:
        """The job's result, None if the process died."""
        try:
            done: Result = self.pipe.recv()
        except EOFError:
            return None
        return done

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self.pipe.close()


def _serve(pipe: Connection, function: Callable[[Job], Result]) -> None:
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(function(job))


def run_all(
    function: Callable[[Job], Result], jobs: Sequence[Job], lost: Callable[[str], Result], *, seconds: float
) -> Iterator[tuple[Job, Result]]:
    """Each job with its result, as they end.

    Args:
        function: Run in forked processes, so that it sees everything that this process has loaded. Its
            result is not None.
        jobs: Its arguments.
        lost: The result of a job whose process hung or crashed.
        seconds: For one job.
    """
    free: list[_Worker[Job, Result]] = [_Worker(function) for _ in range(PROCESSES)]
    busy: dict[Connection, _Worker[Job, Result]] = {}
    rest = list(jobs)[::-1]
    try:
        while rest or busy:
            while rest and free:
                worker = free.pop()
                worker.begin(rest.pop(), seconds)
                busy[worker.pipe] = worker
            first = min(worker.deadline for worker in busy.values())
            ready = wait(list(busy), timeout=max(0.0, first - time.monotonic()))
            late = [pipe for pipe, worker in busy.items() if time.monotonic() > worker.deadline]
            for pipe in dict.fromkeys((*ready, *late)):
                worker = busy.pop(pipe)
                result = worker.result() if pipe in ready else None
                if result is None:
                    worker.end()
                    free.append(_Worker(function))
                    result = lost("its process crashed" if pipe in ready else f"took more than {seconds:g} s")
                else:
                    free.append(worker)
                yield worker.job, result
    finally:
        for worker in (*free, *busy.values()):
            worker.end()
