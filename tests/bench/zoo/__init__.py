"""Networks as the benchmarks run them: the published architectures with random weights."""

from tests.bench.zoo.catalog import MODELS, TINY, Entry

__all__ = ["MODELS", "TINY", "Entry"]
