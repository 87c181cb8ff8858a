"""Timing the layers of a module in the runner."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from device_agent.runner.engine import Engine
from protocol.golden import random_inputs
from protocol.module import ModuleMeta
from protocol.profiling import DRIVER, measure


def profile(engine: Engine, meta: bytes, rounds: int | None) -> dict[str, Any]:
    """The fields of a `Timing`, for pseudo-random inputs.

    Args:
        engine: With a module loaded.
        meta: The module's metadata, encoded.
        rounds: Of how many the median is taken; as many as fit into a second if None.

    Raises:
        EngineError: the module trapped.
    """
    module = ModuleMeta.decode(meta)
    driven = _Driven(engine, random_inputs(1, module.inputs))
    return asdict(measure(driven, module, time.perf_counter_ns, rounds=rounds))


@dataclass
class _Driven:
    engine: Engine
    inputs: list[bytes]

    def __post_init__(self) -> None:
        self._call = self.engine.beside(DRIVER)

    def prepare(self) -> None:
        self.engine.write(self.inputs)

    def layer(self, index: int, times: int) -> None:
        self._call("layer", index, times)

    def whole(self, times: int) -> None:
        self._call("whole", times)
