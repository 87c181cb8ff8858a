"""Every prefix of the slot store's writes restarts on a verified module, old or new.

`python -m tests.faults.slots [--seed N] [--samples N] [--weights N]` is the long form; pytest runs a
shorter one. A whole life is recorded: first install, confirm, upgrade, confirm, an upgrade that is
rolled back, one that is replaced half-way by another, removal. Then each crash state that
`tests.support.recorded_files` derives is started from, checked, and driven on to the release wanted at
that moment.
"""

# ruff: noqa: T201 - a command

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from device_agent.slots.record import GivenUp, StagedRelease
from device_agent.slots.store import ModelSlots, Release
from protocol.documents import Fault, IndexPage
from protocol.errors import FleetError
from protocol.keys import SoftwareKey
from tests.support.director import Built, Source, build
from tests.support.fake_module import FakeModule
from tests.support.recorded_files import MemoryFiles, Op, crashes

MODEL = "crop-model"


@dataclass(frozen=True)
class Moment:
    """From this operation on these releases, and no others, may be found confirmed or on trial."""

    op: int
    confirmed: frozenset[bytes | None]
    wanted: Built | None


def staged(built: Built) -> StagedRelease:
    """What the agent stages for a release."""
    pages: list[bytes] = []
    following: bytes | None = built.manifest.targets["simd"].index
    while following is not None:
        pages.append(built.blobs[following])
        following = IndexPage.decode(built.blobs[following]).next
    return StagedRelease(manifest=built.signed, target="simd", pages=tuple(pages))


def fetch(slots: ModelSlots, built: Built, *, most: int | None = None) -> Release:
    """What the agent's worker does from RESOLVING to FETCHING; `most` chunks at most."""
    release = slots.staged(built.digest) or slots.stage(staged(built))
    here = slots.present(release)
    here |= slots.reuse(release, [d for d in release.layout.places if d not in here])
    missing = [digest for digest in release.layout.places if digest not in here]
    for digest in missing[:most]:
        slots.put(release, digest, built.blobs[digest])
    return release


def install(slots: ModelSlots, built: Built) -> None:
    """From nothing to a confirmed release."""
    release = fetch(slots, built)
    slots.seal(release)
    slots.begin_trial(release, 0)
    slots.confirm()


def record(files: MemoryFiles, weights: int) -> tuple[list[Op], list[Moment], list[Built]]:
    """Record a whole life cycle in `files`."""
    key = SoftwareKey.generate()
    shared = weights * 3 // 4
    fakes = [FakeModule(version=f"1.{n}.0", key=n + 1, weights=weights, shared=shared) for n in range(4)]
    releases = [build(Source.of(fake), key, sequence=n + 1) for n, fake in enumerate(fakes)]
    one, two, three, four = releases
    slots = ModelSlots(files, MODEL)
    moments = [Moment(0, frozenset({None, one.digest}), one)]

    install(slots, one)
    moments.append(Moment(len(files.log), frozenset({one.digest, two.digest}), two))
    install(slots, two)
    moments.append(Moment(len(files.log), frozenset({two.digest}), two))
    bad = fetch(slots, three)
    slots.seal(bad)
    slots.begin_trial(bad, 0)
    slots.count_boot()
    slots.end_trial(GivenUp(manifest=three.digest, attempt=0, fault=Fault(code="trap", text="in conv_1")))
    moments.append(Moment(len(files.log), frozenset({two.digest, four.digest}), four))
    fetch(slots, one, most=1)
    install(slots, four)
    moments.append(Moment(len(files.log), frozenset({four.digest, None}), None))
    slots.clear()
    moments.append(Moment(len(files.log), frozenset({None}), None))
    return files.log, moments, releases


def check(files: MemoryFiles, moment: Moment, releases: Iterable[Built]) -> None:
    """Start from a crash state.

    Raises:
        AssertionError: what starts is not verified, not allowed at this moment, or cannot go on.
    """
    known = {built.digest for built in releases}
    slots = ModelSlots(files, MODEL)
    active, trial = slots.active(), slots.trial()
    if slots.state.active is not None:
        assert active is not None, "the confirmed slot cannot be read"
        slots.read_module(active)
    if slots.state.trial is not None:
        assert trial is not None, "the slot on trial cannot be read"
        assert trial.digest in known
        slots.read_module(trial)
        for case in range(len(trial.index.golden)):
            slots.read_golden(trial, case)
    found = active.digest if active else None
    assert found in moment.confirmed, f"found {found and found.hex()[:8]}"
    if trial is not None:
        slots.end_trial(None)
    if moment.wanted is not None and found != moment.wanted.digest:
        install(slots, moment.wanted)
        after = slots.active()
        assert after is not None
        assert after.digest == moment.wanted.digest
        slots.read_module(after)


def prove(seed: int, samples: int, weights: int, recorder: MemoryFiles | None = None) -> tuple[int, int]:
    """Check every crash state; gives how many operations and states there were.

    Args:
        seed: Of the random subsets.
        samples: Random subsets at each point.
        weights: Bytes of weights in each module.
        recorder: Where to record, if it is to be something special.

    Raises:
        AssertionError: a state that does not restart as it must; the text tells which.
    """
    log, moments, releases = record(recorder or MemoryFiles(), weights)
    count = 0
    for description, files in crashes(log, seed, samples):
        point = int(description.partition(":")[0])
        moment = max((m for m in moments if m.op <= point), key=lambda m: m.op)
        try:
            check(files, moment, releases)
        except (AssertionError, FleetError, KeyError) as error:
            op = log[point - 1] if point else None
            place = f"{op.kind} {op.path}" if op else "the beginning"
            raise AssertionError(f"{description} (after {place}), seed {seed}: {error}") from error
        count += 1
    return len(log), count


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="scripts/prove slots", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--samples", type=int, default=24, help="random subsets at each point")
    parser.add_argument("--weights", type=int, default=60_000, help="bytes of weights in each module")
    arguments = parser.parse_args()
    start = time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    try:
        operations, states = prove(arguments.seed, arguments.samples, arguments.weights)
    except AssertionError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    counts = f"{operations:,} operations, {states:,} crash states"
    print(f"done: {counts}, each on a verified module ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
