"""The official suite of the `onnx` package, through the compiler and wasmtime.

python -m tests.bench.onnx [--json] [--table] [--all] [--seed N] [NAME-PART …]
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.bench import operators_page
from tests.support.onnx_suite import SECONDS, Kind, Outcome, cases, kind, operator, prepare, run_case, select
from tests.support.workers import run_all

SHOWN = 20
"""Names of cases in a line."""


def run(parts: Sequence[str] = (), seed: int = 0) -> dict[str, Outcome]:
    """Outcomes by the name of the case.

    Args:
        parts: Parts of names, or names of operators; all cases if there are none.
        seed: For the inputs that are drawn anew.
    """
    # After a fork wasmtime waits forever for the threads that it had started before.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(_run, parts, seed).result()


def _run(parts: Sequence[str], seed: int) -> dict[str, Outcome]:
    prepare()
    lost = partial(Outcome, "failed")
    return dict(run_all(partial(run_case, seed=seed), select(parts), lost, seconds=SECONDS))


def counts(outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    """Passed and total, by kind."""
    total: Counter[Kind] = Counter(kind(cases()[name]) for name in outcomes)
    passed = Counter(kind(cases()[name]) for name, outcome in outcomes.items() if outcome.status == "passed")
    return {
        "plain_passed": passed["plain"],
        "plain_total": total["plain"],
        "expanded_passed": passed["expanded"],
        "expanded_total": total["expanded"],
        "all_passed": passed.total(),
        "all_total": total.total(),
    }


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _report(outcomes: Mapping[str, Outcome], *, everything: bool) -> None:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, outcome in outcomes.items():
        if outcome.status != "passed" and (everything or kind(cases()[name]) == "plain"):
            groups[operator(cases()[name]), f"{outcome.status}: {outcome.reason}"].append(name)
    for (op, reason), names in sorted(groups.items()):
        _print(f"{op:24s} {len(names):3d}  {reason}")
        short = [name.removeprefix("test_") for name in sorted(names)]
        more = f" and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
        _print(f"{'':29s}{' '.join(short[:SHOWN])}{more}")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="parts of names of cases, or names of operators")
    parser.add_argument("--table", action="store_true", help="write docs/operators.md; needs all cases")
    parser.add_argument("--json", action="store_true", help="a JSON object as the last line")
    parser.add_argument(
        "--all", action="store_true", help="list what fails of all cases, not of the plain ones"
    )
    parser.add_argument("--seed", type=int, default=0, help="for the inputs that are drawn anew")
    arguments = parser.parse_args()
    if arguments.table and arguments.parts:
        parser.error("--table needs all cases")
    start = time.monotonic()
    outcomes = run(arguments.parts, arguments.seed)
    _report(outcomes, everything=arguments.all)
    figures = counts(outcomes)
    fresh = sum(outcome.fresh for outcome in outcomes.values())
    _print(
        f"plain {figures['plain_passed']}/{figures['plain_total']}   "
        f"expanded {figures['expanded_passed']}/{figures['expanded_total']}   "
        f"all {figures['all_passed']}/{figures['all_total']}   "
        f"{fresh} also on fresh inputs   {time.monotonic() - start:.0f} s"
    )
    if arguments.table:
        operators_page.write(outcomes, figures)
    if arguments.json:
        _print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
