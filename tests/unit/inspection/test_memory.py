"""Rows, lanes and buffers of a module with a branch."""

import random

from controller.inspection.memory import Buffer, buffers, rows
from tests.unit.inspection import samples

# in ─ 0 ─┬─ 1 ─┬─ 3 ─ 4 ─ out
#         └─ 2 ─┘
INPUT, OUTPUT = 0, 6


def test_rows_tell_who_reads_whom():
    drawn = rows(samples.meta(), [0], [512])
    assert [(row.kind, row.index) for row in drawn] == [
        ("input", 0), ("layer", 0), ("layer", 1), ("layer", 2), ("layer", 3), ("layer", 4), ("output", 0),
    ]  # fmt: skip
    assert [row.reads for row in drawn] == [(), (0,), (1,), (1,), (2, 3), (4,), (5,)]
    assert [row.last for row in drawn] == [1, 3, 4, 4, 5, 6, 6]


def test_a_branch_takes_a_lane_of_its_own():
    drawn = rows(samples.meta(), [0], [512])
    assert [row.lane for row in drawn] == [0, 0, 1, 0, 1, 1, 1]


def test_buffers_live_until_their_last_reader():
    meta = samples.meta()
    drawn = rows(meta, [0], [512])
    assert buffers(meta, drawn, [0]) == [
        Buffer("value", INPUT, 0, 256, 1),
        Buffer("value", 1, 256, 256, 3),
        Buffer("value", 2, 512, 256, 4),
        Buffer("value", 3, 768, 256, 4),
        Buffer("value", 4, 512, 256, 5, in_place=True),
        Buffer("value", 5, 512, 256, OUTPUT, in_place=True),
    ]


def test_modules_that_do_not_say_what_layers_read_are_chains():
    layers = tuple(layer.model_copy(update={"reads": None}) for layer in samples.LAYERS)
    drawn = rows(samples.meta(layers), [0], [4096])
    assert [row.reads for row in drawn] == [(), (0,), (1,), (2,), (3,), (4,), (5,)]
    assert {row.lane for row in drawn} == {0}


def test_lines_that_run_side_by_side_have_different_lanes():
    for seed in range(50):
        chance = random.Random(seed)  # noqa: S311 - a graph's shape
        layers = tuple(
            samples.layer(
                f"/{i}", reads=tuple({chance.randrange(-1, i) for _ in range(chance.randint(1, 3))})
            )
            for i in range(30)
        )
        drawn = rows(samples.meta(layers), [0], [0])
        for number, row in enumerate(drawn):
            for other, later in enumerate(drawn[number + 1 :], number + 1):
                if other < row.last or (other == row.last and number not in later.reads):
                    assert later.lane != row.lane, f"seed {seed}, rows {number} and {other}"
