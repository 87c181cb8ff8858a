"""What this machine can do in Wasm: products a second and bytes a second, measured once and kept.

Peaks are those of our own kernels on a pointwise convolution that suits them, so that a layer is
compared with what is known to be possible; bandwidths are those of a copy within a working set.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import platformdirs
import wasmtime

from controller.compiler import Instance, resources
from controller.compiler.emit import Header, emit
from controller.compiler.ir import FLOAT, INT8, Graph, Node, Quant, Tensor
from controller.compiler.passes import assign_layout
from controller.compiler.plan import plan
from controller.compiler.targets import find_target
from protocol.module import LayerMeta

T = TypeVar("T")

WORKING_SETS = (1 << 15, 1 << 18, 1 << 20, 1 << 22, 1 << 25)
"""Bytes; the last is larger than most caches."""

_SECONDS = 0.05
_CHANNELS, _PIXELS = 256, 16


@dataclass(frozen=True)
class Machine:
    """Limits of one machine for one target.

    Attributes:
        name: Of its processor.
        target: That was measured.
        peak: Multiply-accumulates a second, by type of element ("int8", "float32").
        bandwidth: Bytes a second that are read or written, by bytes of the working set.
    """

    name: str
    target: str
    peak: dict[str, float] = field(default_factory=dict)
    bandwidth: dict[int, float] = field(default_factory=dict)

    def bytes_per_second(self, working_set: int) -> float:
        """Bandwidth of the smallest measured working set that holds this one."""
        fitting = [size for size in sorted(self.bandwidth) if size >= working_set]
        return self.bandwidth[fitting[0] if fitting else max(self.bandwidth)]

    def limit(
        self, layer: LayerMeta, nbytes: int, working_set: int
    ) -> tuple[float, Literal["compute", "memory"]]:
        """Seconds that a layer needs at least here, and because of what.

        Args:
            layer: Its entry in the layer table.
            nbytes: What it reads and writes.
            working_set: Bytes of arena and weights of the whole module: what a run walks over.
        """
        compute = layer.macs / self.peak.get(layer.weights_dtype, self.peak["float32"])
        memory = nbytes / self.bytes_per_second(working_set)
        return (compute, "compute") if compute >= memory else (memory, "memory")


def this_machine(target: str, folder: Path | None = None, *, again: bool = False) -> Machine:
    """The limits of this machine, from the cache if it was measured before by the same tools.

    Args:
        target: `relaxed`, `simd` or `mvp`.
        folder: Of the cache; `$XDG_CACHE_HOME/fleet/machines` if not given.
        again: Measure in any case, and keep the best of then and now: a busy machine seems slow.
    """
    folder = folder or platformdirs.user_cache_path("fleet", appauthor=False) / "machines"
    path = folder / f"{_key(target)}.json"
    known = _stored(path)
    if known is not None and not again:
        return known
    machine = measure_machine(target)
    if known is not None:
        machine = replace(
            machine,
            peak=_best_of(known.peak, machine.peak),
            bandwidth=_best_of(known.bandwidth, machine.bandwidth),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(machine)))
    except OSError:
        return machine
    return machine


def _stored(path: Path) -> Machine | None:
    try:
        fields = json.loads(path.read_text())
        fields["bandwidth"] = {int(size): rate for size, rate in fields["bandwidth"].items()}
        return Machine(**fields)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _best_of(then: Mapping[T, float], now: Mapping[T, float]) -> dict[T, float]:
    return {key: max(rate, then.get(key, 0.0)) for key, rate in now.items()}


def measure_machine(target: str) -> Machine:
    """Measure now; takes about half a second, and some seconds where kernels are to be compiled first."""
    peak = {str(dtype): _peak(target, dtype) for dtype in (INT8, FLOAT)}
    bandwidth = {size: _bandwidth(target, size) for size in WORKING_SETS}
    return Machine(_processor(), target, peak, bandwidth)


def _key(target: str) -> str:
    digest = hashlib.sha256(f"{_processor()}\0{platform.machine()}\0{version('wasmtime')}\0{target}".encode())
    for path in resources.compiler_files():
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _best(call: Callable[[], Any]) -> float:
    """Seconds of the fastest of several calls: what the machine can do when nothing disturbs it."""
    call()
    end = time.perf_counter() + _SECONDS
    best = float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def _peak(target: str, dtype: np.dtype[Any]) -> float:
    graph = _pointwise(dtype)
    assign_layout(graph)
    chosen = find_target(target)
    module = emit(graph, plan(graph, chosen), chosen, Header("pointwise", "1.0.0"))
    instance = Instance(module.wasm)
    (index,) = (i for i, layer in enumerate(module.meta.layers) if layer.macs)
    x = module.meta.inputs[0]
    driver = instance.driven({x.name: np.ones(x.shape, np.dtype(x.dtype))})
    driver.prepare()
    for layer in range(index):
        driver.layer(layer, 1)
    times = 8
    seconds = _best(lambda: driver.layer(index, times)) - _best(lambda: driver.layer(index, 0))
    return times * module.meta.layers[index].macs / seconds


def _pointwise(dtype: np.dtype[Any]) -> Graph:
    """One convolution 1x1 that is large enough to hide its edges and small enough for a cache."""
    shape = (1, _CHANNELS, _PIXELS, _PIXELS)
    quant, weights_quant, bias_quant = None, None, None
    if dtype == INT8:
        quant = Quant.per_tensor(0.05, 3)
        scales = np.full(_CHANNELS, 0.01, np.float32)
        weights_quant, bias_quant = Quant(scales, 0, 0), Quant(scales * quant.s, 0, 0)
    generator = np.random.default_rng(1)
    graph = Graph("pointwise", ["x"], ["y"])
    graph.tensors = {name: Tensor(name, dtype, shape, quant) for name in ("x", "y")}
    weights = generator.integers(-63, 64, (_CHANNELS, _CHANNELS, 1, 1)).astype(dtype)
    bias = np.zeros(_CHANNELS, np.int32 if dtype == INT8 else dtype)
    attributes = {
        "kernel_shape": [1, 1], "strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1,
    }  # fmt: skip
    inputs = [
        "x",
        graph.add_constant("w", weights, weights_quant),
        graph.add_constant("b", bias, bias_quant),
    ]
    graph.nodes = [Node("conv", "Conv", inputs, ["y"], attributes)]
    return graph


_COPY = """(module
  (memory (export "memory") {pages})
  (func (export "copy") (param $times i32)
    (local $at i32)
    (block $done (loop $again
      (br_if $done (i32.eqz (local.get $times)))
      (local.set $at (i32.const 0))
      (loop $next
        {moves}
        (local.set $at (i32.add (local.get $at) (i32.const {step})))
        (br_if $next (i32.lt_u (local.get $at) (i32.const {half}))))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br $again)))))"""


def _bandwidth(target: str, working_set: int) -> float:
    """Bytes read and written by a copy of half the working set onto the other half."""
    half, width, unroll = working_set // 2, *((16, 4) if find_target(target).simd else (8, 4))
    kind = "v128" if find_target(target).simd else "i64"
    moves = "\n        ".join(
        f"({kind}.store offset={half + i * width} (local.get $at) "
        f"({kind}.load offset={i * width} (local.get $at)))"
        for i in range(unroll)
    )
    text = _COPY.format(pages=max(1, working_set >> 16), moves=moves, step=width * unroll, half=half)
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, text), [])
    copy = cast(wasmtime.Func, instance.exports(store)["copy"])
    times = max(1, (1 << 22) // working_set)
    seconds = _best(lambda: copy(store, times)) - _best(lambda: copy(store, 0))
    return times * working_set / seconds
