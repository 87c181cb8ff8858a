"""Real rows of the evaluation set, sent to every agent without a pause, and who answered what."""

import threading
from collections import Counter
from pathlib import Path
from typing import Self

import numpy as np

from scripts.demonstration.fleet import Agent


class Traffic:
    """A sender for each agent; every request is either answered or counted as lost."""

    def __init__(self, agents: list[Agent], model: str, evaluation: Path) -> None:
        with np.load(evaluation) as data:
            self._labels = data["label"]
            self._name = next(name for name in data.files if name != "label")
            self._rows = data[self._name]
        self._model = model
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answered: Counter[str] = Counter()
        self.correct: Counter[str] = Counter()
        self.lost: list[str] = []
        self._threads = [threading.Thread(target=self._send, args=(agent,)) for agent in agents]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, agent: Agent) -> None:
        for row in range(10**9):
            if self._stop.is_set():
                return
            sample = self._rows[row % len(self._rows)]
            tensor = {
                "name": self._name, "datatype": "FP32",
                "shape": list(sample.shape), "data": sample.ravel().tolist(),
            }  # fmt: skip
            try:
                answer = agent.infer(self._model, [tensor])
                version, scores = _read(answer)
            except (OSError, ValueError, KeyError) as error:
                with self._lock:
                    self.lost.append(f"{agent.name}: {error}")
                continue
            with self._lock:
                self.answered[version] += 1
                self.correct[version] += bool(np.argmax(scores) == self._labels[row % len(self._labels)])

    def summary(self) -> list[str]:
        """One line for each version that answered, and one on what was lost."""
        lines = [
            f"  answered by {version}: {count} inferences, {100 * self.correct[version] / count:.1f} % right"
            for version, count in sorted(self.answered.items())
        ]
        return [*lines, f"  lost: {len(self.lost)}", *(f"    {reason}" for reason in self.lost[:3])]


def _read(answer: dict[str, object]) -> tuple[str, list[float]]:
    outputs = answer["outputs"]
    if not isinstance(outputs, list):
        raise ValueError("answer without outputs")  # noqa: TRY004 - counted as a lost inference
    return str(answer["model_version"]), outputs[0]["data"]
