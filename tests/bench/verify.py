"""What trust costs on a Linux agent: microseconds for each document, bytes on the wire.

python -m tests.bench.verify [--json] [--rounds N]

The documents are the ones of the test vectors: one signature each, names of usual length. A figure is the
median of the rounds.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

from protocol.confidential import unwrap, wrap, wrapping_key
from protocol.documents import Desired
from protocol.trust import Verifier
from tests.support.simulator import DEVICE, MODEL, NOW, Repository, key, sign, target

LIMITS = {"manifest, one target": 400, "manifest, three targets": 600, "assignment": 250}
"""Most bytes that the issue allows, with one signature each."""


def documents() -> dict[str, bytes]:
    """The signed documents by name, as they go over the wire."""
    owner = Repository()
    one = {"simd": target("simd")}
    wanted = Desired(manifest=owner.manifest_digest(), content_key=wrap(bytes(32), bytes(32)))
    three = {name: target(name) for name in ("simd", "mvp", "mcu")}
    return {
        "manifest, one target": owner.manifest(targets=one),
        "manifest, three targets": owner.manifest(targets=three),
        "assignment": owner.assignment(),
        "assignment, content key": owner.assignment(models={MODEL: wanted}),
        "root": owner.root(),
        "time answer": owner.nonce_answer(bytes(16)),
    }


def checks() -> dict[str, Callable[[], object]]:
    """What is timed: the whole of a document's rules, and the bare signatures."""
    made, owner, message = documents(), Repository(), b"m" * 150
    device = Verifier.enrol(DEVICE, made["root"])
    two = Repository(signers=owner.signers | {"release": ("release", "release-b")}, thresholds={"release": 2})
    guarded = Verifier.enrol(DEVICE, two.root())
    both = sign("manifest", owner.manifest_document().encode(), ("release", "release-b"))
    rotated = owner.rotate("release", "release-b")
    names = {
        "manifest, one target": Repository().manifest_digest(targets={"simd": target("simd")}),
        "manifest, three targets": Repository().manifest_digest(
            targets={name: target(name) for name in ("simd", "mvp", "mcu")}
        ),
    }
    wrapped = wrap(bytes(32), _wrapping_key())
    ed, es = key("release"), key("hsm")
    by_ed, by_es = ed.sign(message), es.sign(message)
    return {
        **{
            name: lambda name=name, wanted=wanted: device.check_manifest(MODEL, made[name], wanted)
            for name, wanted in names.items()
        },
        "manifest, two signatures": lambda: guarded.check_manifest(
            MODEL, both, Repository().manifest_digest()
        ),
        "assignment": lambda: device.accept_assignment(made["assignment"], NOW),
        "assignment, content key": lambda: device.accept_assignment(made["assignment, content key"], NOW),
        "content key unwrapped": lambda: unwrap(wrapped, _wrapping_key()),
        "root": lambda: device.update_root(rotated),
        "time answer": lambda: device.open_nonce_answer(made["time answer"], bytes(16)),
        "Ed25519 signature": lambda: _true(ed.public.verify(by_ed, message)),
        "ES256 signature": lambda: _true(es.public.verify(by_es, message)),
    }


def _wrapping_key() -> bytes:
    return wrapping_key(bytes(range(32)), bytes(range(1, 33)), DEVICE, bytes(32))


def _true(value: bool) -> None:  # noqa: FBT001 - the answer of a check
    assert value


def measure(rounds: int) -> dict[str, float]:
    """Microseconds of each check."""
    found = {}
    for name, run in checks().items():
        times = []
        for _ in range(rounds):
            started = time.perf_counter_ns()
            run()
            times.append(time.perf_counter_ns() - started)
        found[name] = round(statistics.median(times) / 1000, 1)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=500)
    given = parser.parse_args()
    sizes = {name: len(data) for name, data in documents().items()}
    times = measure(given.rounds)
    print(f"{'':26}{'µs':>8}{'bytes':>8}{'at most':>9}")  # noqa: T201 - a command
    for name, microseconds in times.items():
        size, limit = sizes.get(name, ""), LIMITS.get(name, "")
        print(f"{name:26}{microseconds:8.1f}{size:>8}{limit:>9}")  # noqa: T201 - a command
    if given.json:
        print(json.dumps({"microseconds": times, "bytes": sizes, "limits": LIMITS}))  # noqa: T201 - a command
    return int(any(sizes[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
