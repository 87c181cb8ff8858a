"""Every engine answers as the oracle does; `scripts/prove engines` runs more of the same."""

from dataclasses import replace

import pytest

from tests.engines import cases
from tests.engines.hosts import HOSTS, knows
from tests.engines.making import TARGETS

SEED = 12


@pytest.fixture(scope="module")
def few():
    return [recipe.make(SEED) for recipe in cases.few()]


@pytest.mark.parametrize(
    ("host", "target"), [(host, target) for host in HOSTS for target in TARGETS if knows(host, target)]
)
def test_an_engine_answers_as_the_oracle_does(few, host, target):
    cases = [case for case in few if target in case.jobs]
    answers = HOSTS[host]([case.jobs[target] for case in cases])
    wrong = [line for case, given in zip(cases, answers, strict=True) for line in case.differences(given)]
    assert not wrong, f"seed {SEED}"


def test_one_bit_is_a_difference(few):
    case = few[0]
    ((*before, last),) = HOSTS["wasmtime"]([case.jobs["mvp"]])
    (sizes, raw), *others = last.outputs
    raw = bytes([raw[0] ^ 1]) + raw[1:]
    answers = [*before, replace(last, outputs=((sizes, raw), *others))]
    assert case.differences(answers) == [f"{case.name}, step 2: output {case.names[0]} is not the oracle's"]
    answers = [*before, replace(last, status=last.status ^ 1)]
    assert len(case.differences(answers)) == 1
