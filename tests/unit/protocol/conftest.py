"""For tests that measure."""

import gc
import sys

import pytest


@pytest.fixture
def undisturbed():
    """Without coverage's tracing, and without other tests' objects in the collector's way."""
    tracer = sys.gettrace()
    sys.settrace(None)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    sys.settrace(tracer)
