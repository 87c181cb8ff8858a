"""Damaged ONNX files give an error of our own class each time: no crash, no hang, bounded memory.

`python -m tests.faults.frontend [--files N] [--seed N] [--jobs N]` is the long form; pytest runs a shorter
one. File number i of a seed is always the same; `--only I` compiles it alone and shows what happens.

Files are damaged and compiled, up to the C code, in worker processes whose memory is limited. A worker says
which file it begins; if it says nothing more for `DEADLINE` seconds, or ends, that file is to blame.
"""

# ruff: noqa: T201 - a command

import argparse
import ast
import pickle
import random
import resource
import selectors
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from controller.compiler.errors import IllegalGraphError
from controller.compiler.passes import assign_layout
from controller.compiler.plan import plan
from controller.compiler.progress import Silent
from controller.compiler.stages import Request, read_stage
from controller.compiler.targets import find_target
from protocol.errors import FleetError
from tests.faults.mutations import mutate
from tests.support import onnx_models

ROOT = Path(__file__).parents[2]
DEADLINE = 10.0
MEMORY = 3 << 30
"""Bytes of address space of a worker, of which Python with its libraries takes the first."""
LARGEST = 1 << 17
"""Bytes of a file worth damaging: larger ones are weights."""


def corpus() -> list[bytes]:
    """Sound files: our own small models, the crop-model, and every node case of the `onnx` package."""
    from onnx.backend.test.case.node import collect_testcases  # takes 4 s

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [case.model for case in collect_testcases(None) if case.model is not None]
    own = [onnx_models.build(name) for name in onnx_models.RECIPES]
    files = [path.read_bytes() for path in sorted(ROOT.glob("modules/*/versions/*.onnx"))]
    # Our own models are fewer and have more to break.
    every = [
        *files,
        *3 * [proto.SerializeToString() for proto in own],
        *(c.SerializeToString() for c in cases),
    ]
    return [data for data in every if len(data) <= LARGEST]


def damaged(files: list[bytes], seed: int, index: int) -> bytes:
    """File number `index`."""
    rng = random.Random(f"{seed}:{index}")  # noqa: S311 - to be repeatable
    return mutate(rng.choice(files), rng)


def compile_damaged(data: bytes) -> str:
    """What becomes of a file: "sound", or the name of our error, "unforeseen" where it is a last resort.

    Raises:
        Exception: Any other error.
    """
    try:
        _, graph = read_stage(data, Request("damaged", {}, {}), Silent())
        assign_layout(graph)
        plan(graph, find_target("simd"))
    except FleetError as error:
        last_resort = isinstance(error, IllegalGraphError) or "cannot be imported" in error.what
        return "unforeseen" if last_resort else type(error).__name__
    return "sound"


@dataclass
class Outcome:
    """Of one run.

    Attributes:
        counts: By error class; "sound" for files that compile all the same; "unforeseen" for errors of our
            own whose text is the one of whatever broke.
        failures: Number of the file, and what was wrong.
        slowest: Seconds, and the number of the file.
        memory: Most bytes that a worker held.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    memory: int = 0


def worker(path: str, seed: int, begin: int, end: int, step: int) -> None:
    """Runs in a process of its own; a line before and after each file."""
    files = pickle.loads(Path(path).read_bytes())  # noqa: S301 - our parent wrote it
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    say = sys.stdout
    for index in range(begin, end, step):
        print("begin", index, file=say, flush=True)
        data = damaged(files, seed, index)
        started = time.perf_counter()
        try:
            result = compile_damaged(data)
        except Exception:  # noqa: BLE001 - what this test looks for
            result = "failed " + repr(traceback.format_exc())
        seconds = time.perf_counter() - started
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print("end", index, f"{seconds:.4f}", most, result, file=say, flush=True)


class _Worker:
    def __init__(self, corpus_file: Path, seed: int, span: tuple[int, int, int], scratch: Path) -> None:
        self._place, self._seed, self._span, self._scratch = corpus_file, seed, span, scratch
        self.start(span[0])

    def start(self, begin: int) -> None:
        _, end, step = self._span
        words = ["--worker", str(self._place), str(self._seed), str(begin), str(end), str(step)]
        self._errors = self._scratch.open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.frontend", *words],
            stdout=subprocess.PIPE, stderr=self._errors, bufsize=0, cwd=ROOT,
        )  # fmt: skip
        self._unread = b""
        self.index, self.heard = begin, time.monotonic() + 20

    def lines(self) -> list[str] | None:
        """What it has said since, in whole lines; None at the end."""
        new = self.process.stdout.read(1 << 16)
        if not new:
            return None
        *whole, self._unread = (self._unread + new).split(b"\n")
        return [line.decode() for line in whole]

    def restart(self) -> bool:
        """After the file that ended the last process; False if there is none left."""
        self.close()
        following = self.index + self._span[2]
        if following >= self._span[1]:
            return False
        self.start(following)
        return True

    def last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-600:]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._errors.close()


@contextmanager
def _workers(files: list[bytes], seed: int, count: int, jobs: int) -> Iterator[list[_Worker]]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder) / "corpus"
        place.write_bytes(pickle.dumps(files))
        spans = [(number, count, jobs) for number in range(jobs)]
        workers = [_Worker(place, seed, s, Path(folder) / f"errors{s[0]}") for s in spans]
        for each in workers:
            stack.callback(each.close)
        yield workers


def prove(seed: int, count: int, jobs: int, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Damage and compile so many files."""
    outcome = Outcome()
    with _workers(corpus(), seed, count, jobs) as workers, selectors.DefaultSelector() as selector:
        for each in workers:
            selector.register(each.process.stdout, selectors.EVENT_READ, each)
        while selector.get_map():
            for key, _ in selector.select(timeout=0.5):
                lines = key.data.lines()
                if lines is not None:
                    for line in lines:
                        _note(key.data, line, outcome, say)
                elif key.data.process.wait():
                    code = key.data.process.returncode
                    _blame(selector, key, f"crash, exit code {code}: {key.data.last_words()}", outcome, say)
                else:
                    selector.unregister(key.fileobj)
            for key in list(selector.get_map().values()):
                if time.monotonic() - key.data.heard > DEADLINE:
                    _blame(selector, key, f"no answer within {DEADLINE:g} s", outcome, say)
    return outcome


def _blame(
    selector: selectors.BaseSelector,
    key: selectors.SelectorKey,
    why: str,
    outcome: Outcome,
    say: Callable[[str], None],
) -> None:
    """Note the file at which a worker stopped, and have the worker go on with the next."""
    each = key.data
    outcome.failures[each.index] = why
    say(f"file {each.index}: {why}")
    selector.unregister(key.fileobj)
    if each.restart():
        selector.register(each.process.stdout, selectors.EVENT_READ, each)


def _note(each: _Worker, line: str, outcome: Outcome, say: Callable[[str], None]) -> None:
    """Take note of a worker's line."""
    each.heard = time.monotonic()
    kind, index, *rest = line.split(" ", 4)
    each.index = int(index)
    if kind == "begin":
        return
    seconds, most, result = float(rest[0]), int(rest[1]) << 10, rest[2].strip()
    outcome.slowest = max(outcome.slowest, (seconds, each.index))
    outcome.memory = max(outcome.memory, most)
    if result.startswith("failed "):
        outcome.failures[each.index] = ast.literal_eval(result.removeprefix("failed "))
        return
    outcome.counts[result] += 1
    if outcome.counts.total() % 5000 == 0:
        say(f"{outcome.counts.total():,} files")


def main() -> int:
    if sys.argv[1:2] == ["--worker"]:
        path, *numbers = sys.argv[2:]
        worker(path, *map(int, numbers))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, default=None)
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    if given.only is not None:
        print(compile_damaged(damaged(corpus(), seed, given.only)))
        return 0
    outcome = prove(seed, given.files, given.jobs, lambda text: print(text, flush=True))
    for index, text in sorted(outcome.failures.items()):
        print(f"--- file {index}\n{text}")
    counts = "   ".join(f"{name} {count:,}" for name, count in outcome.counts.most_common())
    seconds, index = outcome.slowest
    print(f"{given.files:,} files: {counts}")
    print(f"slowest {seconds:.2f} s (file {index}), most memory {outcome.memory / 2**20:,.0f} MiB")
    print(f"{len(outcome.failures)} failures, seed {seed}")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
