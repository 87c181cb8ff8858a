"""What an engine is asked and what it answers: two files, little-endian, of 32-bit numbers and bytes.

    jobs      for each job: the module's size and bytes; number of inputs, the size of each;
              number of outputs, size and number of sizes of each; number of steps;
              each step: whether to reset before, the bytes of every input
    answers   for each job and step: what `run` returned; of every output its sizes and its bytes

Only outputs of modules that export `output_dims` have sizes.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One run of a module.

    Attributes:
        inputs: Bytes, in the module's order.
        reset: Whether `reset` is called before.
    """

    inputs: tuple[bytes, ...]
    reset: bool = False


@dataclass(frozen=True)
class Job:
    """One instance of a module, and its runs in order.

    Attributes:
        outputs: Bytes of each, and how many sizes `output_dims` gives of it: none where it is no export.
    """

    wasm: bytes
    outputs: tuple[tuple[int, int], ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Answer:
    """Of one run.

    Attributes:
        status: What `run` returned.
        outputs: Sizes and bytes of each.
    """

    status: int
    outputs: tuple[tuple[Sizes, bytes], ...]


def _numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def encode(jobs: Iterable[Job]) -> bytes:
    """The file of jobs."""
    parts = []
    for job in jobs:
        given = [len(value) for value in job.steps[0].inputs]
        parts += [_numbers(len(job.wasm)), job.wasm, _numbers(len(given), *given, len(job.outputs))]
        parts += [_numbers(*output) for output in job.outputs]
        parts.append(_numbers(len(job.steps)))
        for step in job.steps:
            parts += [_numbers(step.reset), *step.inputs]
    return b"".join(parts)


def decode(answers: bytes, jobs: Sequence[Job]) -> list[list[Answer]]:
    """The file of answers: for each job, for each step.

    Raises:
        ValueError: It is longer or shorter than the jobs demand.
    """
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        if at + size > len(answers):
            raise ValueError(f"answers end at byte {len(answers)}, within a value")
        at += size
        return answers[at - size : at]

    def one(job: Job) -> Answer:
        (status,) = struct.unpack("<i", take(4))
        outputs = []
        for size, rank in job.outputs:
            sizes = struct.unpack(f"<{rank}i", take(4 * rank))
            outputs.append((sizes, take(size)))
        return Answer(status, tuple(outputs))

    result = [[one(job) for _ in job.steps] for job in jobs]
    if at != len(answers):
        raise ValueError(f"{len(answers) - at} bytes after the last answer")
    return result
