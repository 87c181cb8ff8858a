"""Calls of one kernel share a table of what differs between them."""

import numpy as np
import pytest

from controller.compiler.emit.constants import lay_out
from controller.compiler.emit.tables import FEWEST, tables
from controller.compiler.plan.steps import Call, Constant, Plan, Scratch, Slot, Step


def _table(params, scratch=None):
    """The C of the tables of one call for each of `params`, and the calls' own lines."""
    weights = [Constant("w", np.full(32, i, np.int8), is_weight=True) for i in range(len(params))]
    calls = [
        Call("kernel", "kernel_params", given, (Slot("x"), weights[i]), scratch and Scratch(scratch[i], "0"))
        for i, given in enumerate(params)
    ]
    steps = tuple(
        Step(f"/{i}", "Conv", "Conv", (f"y{i}",), "int8", (1,), (call,)) for i, call in enumerate(calls)
    )
    plan = Plan(steps, {"x": 0}, arena=64, bound=64, scratch=dict.fromkeys(range(len(steps)), 48))
    made = tables(plan, lay_out(weights))
    assert list(made.rows.values()) == [f"call_0(&rows_0[{i}])" for i in range(len(params))]
    return "\n".join(made.source)


def test_what_is_equal_is_no_column_and_equal_columns_are_one():
    source = _table([{"w": {"in_h": i, "in_w": i, "batch": 1}} for i in range(FEWEST)])
    assert "    int8_t w_in_h;" in source
    assert "    p.w.in_h = row->w_in_h;" in source
    assert "    p.w.in_w = row->w_in_h;" in source
    assert "    p.w.batch = 1;" in source
    assert "kernel(&p, ARENA(0), CONSTANT(row->at_1));" in source


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (-128, 127, "int8_t"),
        (0, 128, "uint8_t"),
        (-1, 128, "int16_t"),
        (0, 65535, "uint16_t"),
        (-1, 65535, "int32_t"),
        (-(2**31), 2**31 - 1, "int32_t"),
    ],
)
def test_a_column_is_as_narrow_as_its_values(low, high, kind):
    assert f"    {kind} n;" in _table([{"n": value} for value in (low, high, low, high)])


def test_floats_are_exact():
    source = _table([{"scale": np.float32(i) / np.float32(3)} for i in range(FEWEST)])
    assert "    float scale;" in source
    assert ".scale = 0x1.5555560000000p-2f" in source


def test_a_call_without_scratch_has_none():
    assert "row->scratch == -1 ? 0 : ARENA(row->scratch)" in _table([{"n": 1}] * FEWEST, [16, 0, 16, 0])
    assert "CONSTANT(row->at_1), ARENA(48))" in _table([{"n": 1}] * FEWEST, [16] * FEWEST)
    assert "CONSTANT(row->at_1), 0)" in _table([{"n": 1}] * FEWEST, [0] * FEWEST)


@pytest.mark.parametrize(
    "params", [[{"n": 1}] * (FEWEST - 1), [{"n": [1, 2]}] * FEWEST, [{"n": 0.5}] * FEWEST]
)
def test_few_calls_arrays_and_doubles_have_no_table(params):
    weights = Constant("w", np.zeros(4, np.int8))
    steps = tuple(
        Step(str(i), "Conv", "Conv", ("y",), "int8", (1,), (Call("kernel", "p", given, (weights,)),))
        for i, given in enumerate(params)
    )
    made = tables(Plan(steps, {}, arena=16, bound=16), lay_out([weights]))
    assert not made.rows
    assert not made.source
