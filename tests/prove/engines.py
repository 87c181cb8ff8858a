"""All operators, the models of this repository and random graphs in every engine, bit for bit as the oracle.

`python -m tests.prove.engines [--graphs 300] [--seed N] [--part NAME …] [--engine NAME …] [--json]`
"""

# ruff: noqa: T201 - a command

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice

from tests.engines import cases
from tests.engines.hosts import HOSTS, knows
from tests.engines.making import TARGETS, Case, Recipe

GRAPHS = 300
Recipes = Callable[..., Iterator[Recipe]]
PARTS: Mapping[str, Recipes] = {
    "models": cases.real_models,
    "state": cases.with_state,
    "operators": cases.operators,
    "general": cases.general_operators,
    "recurrent": cases.recurrent,
    "graphs": cases.random_graphs,
    "suite": cases.suite,
}
BATCH = 40
"""Cases that an engine is given at once: a browser has room for some hundred memories."""


def batches(recipes: Iterable[Recipe], seed: int) -> Iterator[list[Case]]:
    """Cases in lists of `BATCH`."""
    remaining = iter(recipes)
    while batch := [recipe.make(seed) for recipe in islice(remaining, BATCH)]:
        yield batch


def differences(engine: str, target: str, batch: Sequence[Case]) -> list[str]:
    """What one engine says otherwise."""
    batch = [case for case in batch if target in case.jobs]
    answers = HOSTS[engine]([case.jobs[target] for case in batch])
    lines = (line for case, given in zip(batch, answers, strict=True) for line in case.differences(given))
    return [f"{engine}, {target}: {line}" for line in lines]


def main() -> int:
    """Run all cases in all engines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", type=int, default=GRAPHS, help="how many random graphs")
    parser.add_argument("--seed", type=int, help="of the first random graph, and of inputs")
    parser.add_argument("--part", choices=PARTS, action="append", help="only these")
    parser.add_argument("--engine", choices=HOSTS, action="append", help="only these")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if given.seed is None else given.seed
    engines = given.engine or list(HOSTS)
    print(f"seed {seed}", flush=True)
    wrong: list[str] = []
    models = 0
    runs = dict.fromkeys(engines, 0)
    seconds = dict.fromkeys(engines, 0.0)
    parts: dict[str, Recipes] = {**PARTS, "graphs": partial(cases.random_graphs, seed, given.graphs)}
    recipes = chain.from_iterable(parts[name]() for name in given.part or parts)
    for batch in batches(recipes, seed):
        models += len(batch)
        for engine in engines:
            begun = time.monotonic()
            for target in (target for target in TARGETS if knows(engine, target)):
                runs[engine] += sum(len(case.expected) for case in batch if target in case.jobs)
                wrong += differences(engine, target, batch)
            seconds[engine] += time.monotonic() - begun
        print(f"{models} models, {sum(runs.values())} runs, {len(wrong)} differences", flush=True)
    for line in wrong:
        print(line)
    for engine in engines:
        print(f"{engine:10} {runs[engine]:6} runs, {seconds[engine]:.0f} s")
    if given.json:
        result = {"seed": seed, "models": models, "runs": runs, "differences": wrong}
        print(json.dumps(result))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
