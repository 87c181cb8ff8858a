"""The agent, or a runner, is killed at random moments of an update, and the device converges.

`python -m tests.faults.kills [--seed N] [--kills N] [--broker KIND] [--model NAME]` is the long form; pytest
runs a shorter one. Releases alternate; after each kill the agent is started again and must at once
answer from a verified release, the old or the new; at the end it must be on the release wanted last.
"""

# ruff: noqa: T201 - a command

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.agents import Agent, floats
from tests.support.brokers import KINDS, running
from tests.support.director import Built, Director, wait_until
from tests.support.fake_module import FakeModule

# Sizes of the crop model and of the text-direction classifier.
WEIGHTS = {"crop-model": 18_000, "text-direction": 600_000}
_INPUT = [1.0, -2.0, 3.0, 0.0, 5.5, -6.0, 7.0, 60.0]


@dataclass(frozen=True)
class Version:
    """A release, and what it answers to `_INPUT`."""

    built: Built
    answer: list[float]


def versions(director: Director, model: str) -> list[Version]:
    """Two releases of a model that share most of their weights, published."""
    weights = WEIGHTS[model]
    result = []
    for number in (1, 2):
        fake = FakeModule(
            name=model,
            version=f"1.{number}.0",
            key=number,
            weights=weights,
            shared=weights // 2,
            deadline=5000,
        )
        quantized = bytes(int(value * 2) & 0xFF for value in _INPUT)
        result.append(Version(director.release(fake, sequence=number), floats(fake.answer(quantized))))
    return result


def answering(agent: Agent, model: str, candidates: list[Version], seconds: float = 20) -> Version:
    """Which of the releases answers, rightly.

    Raises:
        AssertionError: the answer is not that of the release it is said to be from.
    """
    body = wait_until(lambda: _infer(agent, model), f"{model} answers", seconds)
    found = next(v for v in candidates if v.built.manifest.version == body["model_version"])
    assert body["outputs"][0]["data"] == found.answer, (
        f"{body} is not the answer of {found.built.manifest.version}"
    )
    return found


def _infer(agent: Agent, model: str) -> dict | None:
    try:
        return agent.infer(model, _INPUT)
    except (OSError, ConnectionError):
        return None


def prove(
    model: str, folder: Path, seed: int, kills: int, *, kind: str, say: Callable[[str], None] = lambda _: None
) -> None:
    """Kill so many times.

    Raises:
        AssertionError: a wrong answer, or a start without one.
        TimeoutError: no answer, or no convergence.
    """
    generator = random.Random(seed)  # noqa: S311 - to be repeatable
    data = folder / "agent"
    with running(kind, folder / "broker") as broker, Director(broker.port, data) as director:
        agent = Agent(data)
        agent.start()
        try:
            both = versions(director, model)
            director.assign(both[0].built, observe=(2, 1))
            director.wait_state(both[0].built, "confirmed")
            wanted, typical = _measure(director, agent, model, both)
            for number in range(kills):
                wanted = both[number % 2]
                director.assign(
                    wanted.built, observe=(1000, 0) if number % 3 else (1, 30), attempt=number + 10
                )
                time.sleep(generator.uniform(0, 1.2 * typical))
                if generator.random() < 0.2:
                    _kill_runner(agent, generator)
                else:
                    agent.kill()
                    agent.start(wait=False)
                found = answering(agent, model, both)
                say(f"{number + 1}/{kills} {found.built.manifest.version}")
            wait_until(
                lambda: answering(agent, model, both) is wanted and _confirmed(agent, model, wanted),
                f"{model} {wanted.built.manifest.version} is confirmed at the end", 60,
            )  # fmt: skip
        except BaseException as error:
            error.add_note(f"seed {seed}; the agent's log ends:\n{agent.log.read_text()[-3000:]}")
            raise
        finally:
            agent.kill()


def _measure(director: Director, agent: Agent, model: str, both: list[Version]) -> tuple[Version, float]:
    """How long an undisturbed update takes; 0.1 s at least."""
    start = time.monotonic()
    director.assign(both[1].built, observe=(1000, 0), attempt=1)
    wait_until(lambda: _confirmed(agent, model, both[1]), "the first update")
    return both[1], max(0.1, time.monotonic() - start)


def _confirmed(agent: Agent, model: str, wanted: Version) -> bool:
    status = agent.get("/fleet/status") or {}
    report = status.get("models", {}).get(model, {})
    running_version = report.get("running", {}).get("version")
    return report.get("state") == "confirmed" and running_version == wanted.built.manifest.version


def _kill_runner(agent: Agent, generator: random.Random) -> None:
    pids = agent.runner_pids()
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(generator.choice(pids), signal.SIGKILL)


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="scripts/prove kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--broker", choices=KINDS, default="nats")
    parser.add_argument("--model", choices=WEIGHTS, action="append")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    for model in arguments.model or WEIGHTS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            prove(
                model, Path(folder), arguments.seed, arguments.kills, kind=arguments.broker,
                say=lambda text: print(f"\r{text}  ", end="", file=sys.stderr),
            )  # fmt: skip
        seconds = time.monotonic() - start
        print(f"\ndone: {model}, {arguments.kills} kills, on a verified release each time ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
