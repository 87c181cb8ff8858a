"""Coverage-guided fuzz (atheris, libFuzzer) of what reads other people's bytes: no crash, no other answer.

`python -m tests.faults.fuzz [decoder verifier ...] [--seconds N] [--seed N] [--keep FOLDER]` is the long
form, ten minutes for both targets side by side; pytest runs a shorter one. It starts from the shared
vectors. An input that breaks a promise is kept in the folder; `--only FILE` with one target runs it alone.
"""

# ruff: noqa: T201 - a command

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = ("decoder", "verifier")
LONGEST = 4096
"""Bytes of an input; limits of size have vectors of their own."""


@dataclass(frozen=True)
class Outcome:
    """Of one target.

    Attributes:
        runs: Inputs tried.
        coverage: Edges of `protocol` reached.
        failure: What broke, with the place of the input; None if nothing did.
    """

    runs: int
    coverage: int
    failure: str | None


def corpus() -> list[bytes]:
    """Every byte string in the shared vectors that is short enough."""
    files = sorted((ROOT / "protocol" / "vectors").glob("*.json"))
    found = {text for path in files for text in re.findall(r'"((?:[0-9a-f]{2})+)"', path.read_text())}
    return [data for data in map(bytes.fromhex, sorted(found)) if len(data) < LONGEST]


def owner_documents() -> list[bytes]:
    """What the fuzzed device's owner has signed, with keys that no vector uses."""
    # Imported here, because the targets must instrument `protocol` before anything else imports it.
    from tests.support.simulator import MODEL, Repository

    roles = ("root", "release", "director")
    owner = Repository({role: (f"fuzz-{role}",) for role in roles}, floors={MODEL: 2})
    made = [owner.root(), owner.assignment(3), owner.manifest()]
    return [*made, owner.rotate("release", "fuzz-release-b"), owner.nonce_answer(bytes(range(16)))]


def prove(
    targets: Sequence[str],
    seed: int,
    seconds: int,
    keep: Path,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Outcome]:
    """Fuzz the targets side by side, for so many seconds each."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = {}
        for target in targets:
            seeds, log = Path(folder) / target, Path(folder) / f"{target}.log"
            seeds.mkdir()
            signed = owner_documents()
            for number, data in enumerate((*corpus(), *signed)):
                # The verifier's first byte chooses what the rest is offered as.
                choices = range(32) if data in signed else (number % 32, number % 8)
                prefixes = [b""] if target == "decoder" else [bytes([choice]) for choice in choices]
                for prefix in prefixes:
                    (seeds / f"{number:04}-{prefix.hex()}").write_bytes(prefix + data)
            words = [
                f"-seed={seed % (1 << 31) or 1}", f"-max_total_time={seconds}", f"-max_len={LONGEST}",
                "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                f"-artifact_prefix={keep}/{target}-", str(seeds),
            ]  # fmt: skip
            output = stack.enter_context(log.open("w+"))
            running[target] = output, subprocess.Popen(
                [sys.executable, "-m", "tests.faults.fuzz_targets", target, *words],
                cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            stack.callback(running[target][1].kill)
        outcomes = {}
        for target, (output, process) in running.items():
            code = process.wait(timeout=seconds + 90)
            output.seek(0)
            outcomes[target] = _read(output.read(), code)
            say(f"{target}: {outcomes[target].runs:,} inputs, {outcomes[target].coverage} edges reached")
        return outcomes


def _read(log: str, code: int) -> Outcome:
    runs = re.search(r"stat::number_of_executed_units: (\d+)", log)
    coverage = re.findall(r"cov: (\d+)", log)
    failure = None if code == 0 and runs else f"exit code {code}\n{log[-3000:]}"
    return Outcome(int(runs[1]) if runs else 0, int(coverage[-1]) if coverage else 0, failure)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--only", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    targets = given.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if given.only is not None:
        words = [sys.executable, "-m", "tests.faults.fuzz_targets", targets[0], str(given.only)]
        return subprocess.run(words, cwd=ROOT, check=False).returncode
    seed = random.SystemRandom().randrange(1, 1 << 31) if given.seed is None else given.seed
    keep = given.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"seed {seed}, {given.seconds} s, inputs that break something go to {keep}", flush=True)
    outcomes = prove(targets, seed, given.seconds, keep, lambda text: print(text, flush=True))
    failures = {target: outcome.failure for target, outcome in outcomes.items() if outcome.failure}
    for target, text in failures.items():
        print(f"--- {target}\n{text}")
    print(f"{len(failures)} failures, seed {seed}")
    if given.json:
        print(json.dumps({target: [o.runs, o.coverage] for target, o in outcomes.items()}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
