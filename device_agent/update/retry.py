"""Back-off with jitter (the "full jitter" of Brooker, AWS Architecture Blog, 2015, above a floor)."""

BASE_SECONDS, MOST_SECONDS = 1.0, 120.0


def delay(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row.

    Args:
        failures: At least 1.
        chance: A random number in [0, 1); spreads a fleet that failed at the same moment.
    """
    ceiling = min(MOST_SECONDS, BASE_SECONDS * 2.0 ** min(failures - 1, 16))
    return ceiling * (0.5 + chance / 2)
