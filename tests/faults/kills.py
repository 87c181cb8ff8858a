"""The agent, or a runner, is killed at random moments of an update, and the device converges.

`python -m tests.faults.kills [--seed N] [--kills N] [--broker KIND] [--model NAME]` is the long form; pytest
runs a shorter one. Three releases take turns; after each kill the agent is started again and must at once
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

from tests.support.agents import Agent
from tests.support.brokers import KINDS, running
from tests.support.director import Built, Director, wait_until
from tests.support.real_models import MODELS, VERSIONS, Sample, build_release


@dataclass(frozen=True)
class Version:
    """A release, and what it answers to its sample."""

    built: Built
    sample: Sample

    @property
    def name(self) -> str:
        """Its version."""
        return self.built.manifest.version


def versions(director: Director, model: str, folder: Path) -> list[Version]:
    """Three releases of a model, published: with two slots the next is never on the device already."""
    result = []
    for number, version in enumerate(VERSIONS):
        built, sample = build_release(model, version, folder, director.keys.release, number + 1)
        director.publish_release(built)
        result.append(Version(built, sample))
    return result


def answering(agent: Agent, model: str, candidates: list[Version], seconds: float = 20) -> Version:
    """Which of the releases answers, rightly.

    Raises:
        AssertionError: the answer is not that of the release it is said to be from.
    """
    sample = candidates[0].sample
    body = wait_until(lambda: _infer(agent, model, sample), f"{model} answers", seconds)
    found = next(v for v in candidates if v.name == body["model_version"])
    assert body["outputs"][0]["data"] == found.sample.answer, f"{body} is a wrong answer"
    return found


def _infer(agent: Agent, model: str, sample: Sample) -> dict | None:
    item = {"name": sample.name, "datatype": "FP32", "shape": sample.shape, "data": sample.values}
    try:
        return agent.post(model, {"inputs": [item]})
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
            every = versions(director, model, folder)
            director.assign(every[0].built, observe=(2, 1))
            director.wait_state(every[0].built, "confirmed")
            wanted, typical = every[1], _measure(director, agent, model, every[1])
            for number in range(kills):
                wanted = every[number % 2]
                director.assign(
                    wanted.built, observe=(1000, 0) if number % 3 else (1, 30), attempt=number + 10
                )
                time.sleep(generator.uniform(0, 1.2 * typical))
                if generator.random() < 0.2:
                    _kill_runner(agent, generator)
                else:
                    agent.kill()
                    agent.start(wait=False)
                found = answering(agent, model, every)
                say(f"{number + 1}/{kills} {found.name}")
            wait_until(
                lambda: answering(agent, model, every) is wanted and _confirmed(agent, model, wanted),
                f"{model} {wanted.name} is confirmed at the end", 60,
            )  # fmt: skip
        except BaseException as error:
            error.add_note(f"seed {seed}; the agent's log ends:\n{agent.log.read_text()[-3000:]}")
            raise
        finally:
            agent.kill()


def _measure(director: Director, agent: Agent, model: str, wanted: Version) -> float:
    """How long an undisturbed update takes; 0.1 s at least."""
    start = time.monotonic()
    director.assign(wanted.built, observe=(1000, 0), attempt=1)
    wait_until(lambda: _confirmed(agent, model, wanted), "the first update")
    return max(0.1, time.monotonic() - start)


def _confirmed(agent: Agent, model: str, wanted: Version) -> bool:
    status = agent.get("/fleet/status") or {}
    report = status.get("models", {}).get(model, {})
    running_version = report.get("running", {}).get("version")
    return report.get("state") == "confirmed" and running_version == wanted.name


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
    parser.add_argument("--model", choices=MODELS, action="append")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    for model in arguments.model or MODELS:
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
