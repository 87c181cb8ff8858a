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
) -> tuple[dict[Key, list[float]], dict[Key, str]]:
    """Time everything.

    Returns:
        Seconds of one inference, one value a round; and what ended the engines that failed on the way.
    """
    counts: dict[Key, int] = {}
    times: dict[Key, list[float]] = {}
    failures: dict[Key, str] = {}
    for number in range(-1, rounds):
        progress(f"round {number + 1} of {rounds}")
        for key, engine in engines.items():
            if key in failures:
                continue
            try:
                if number < 0:
                    counts[key] = _warm(engine)
                else:
                    times.setdefault(key, []).append(engine.seconds(counts[key]))
            except Exception as error:  # noqa: BLE001 - a row of the table says so
                failures[key] = f"{type(error).__name__}: {error}"
                times.pop(key, None)
    return times, failures


def _warm(engine: Timed) -> int:
    """How many inferences fill a stretch."""
    first = max(engine.seconds(1), 1e-7)
    steady = engine.seconds(max(1, int(_WARM_UP / first)))
    return max(1, int(STRETCH / max(steady, 1e-7)))


def medians(times: Mapping[Key, list[float]]) -> dict[str, dict[str, float]]:
    """Model → engine → median."""
    table: dict[str, dict[str, float]] = {}
    for (model, engine), values in times.items():
        table.setdefault(model, {})[engine] = median(values)
    return table
