"""The official suite of the `onnx` package: nothing that docs/operators.md lists as passing may fail."""

import pytest

from tests.bench.onnx import counts, run
from tests.bench.operators_page import committed
from tests.support.onnx_suite import cases, kind


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_case_that_the_page_lists_passes():
    _, refused, passed = committed()
    outcomes = run()
    broken = {
        name: outcome.reason
        for name, outcome in outcomes.items()
        if outcome.status != "passed" and name not in refused and kind(cases()[name]) == "plain"
    }
    assert broken == {}
    assert counts(outcomes)["plain_passed"] >= passed
    assert counts(outcomes)["plain_total"] == 1221
