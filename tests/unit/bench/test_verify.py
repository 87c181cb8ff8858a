from tests.bench.verify import LIMITS, checks, documents, measure


def test_documents_are_as_small_as_promised():
    sizes = {name: len(data) for name, data in documents().items()}
    assert all(sizes[name] <= limit for name, limit in LIMITS.items()), sizes


def test_every_check_passes_and_is_timed():
    assert all(microseconds > 0 for microseconds in measure(2).values())
    assert set(LIMITS) <= set(checks())
