"""Interleaved timing: in each round every engine runs every model once more."""

from collections.abc import Callable, Mapping
from statistics import median

from tests.bench.inference.engines import Timed

STRETCH = 0.06
"""Seconds that one engine runs one model in one round."""
_WARM_UP = 0.4
"""Seconds before the first round: engines in V8 become faster while they run."""

Key = tuple[str, str]
"""Model and engine."""


def measure(
    engines: Mapping[Key, Timed], rounds: int, progress: Callable[[str], None]
) -> dict[Key, list[float]]:
    """Seconds of one inference, one value a round."""
    counts = {}
    for key, engine in engines.items():
        first = max(engine.seconds(1), 1e-7)
        steady = engine.seconds(max(1, int(_WARM_UP / first)))
        counts[key] = max(1, int(STRETCH / max(steady, 1e-7)))
    times: dict[Key, list[float]] = {key: [] for key in engines}
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for key, engine in engines.items():
            times[key].append(engine.seconds(counts[key]))
    return times


def medians(times: Mapping[Key, list[float]]) -> dict[str, dict[str, float]]:
    """Model → engine → median."""
    table: dict[str, dict[str, float]] = {}
    for (model, engine), values in times.items():
        table.setdefault(model, {})[engine] = median(values)
    return table
