"""Rate of the kernels in wasmtime: GMAC/s where there are products, else billions of elements a second.

python -m tests.bench.kernels [--target simd] [--json] [NAME-PART …]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.unit.kernels.geometry import Window, window
from tests.unit.kernels.library import CPU, OPTIMIZED, link
from tests.unit.kernels.machine import Machine, pack_params

SECONDS = 0.15
ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """One kernel on one shape; contents of the buffers do not matter, only their sizes."""

    name: str
    kernel: str
    params: bytes
    sizes: tuple[int, ...]
    work: int
    unit: str = "GMAC/s"


def conv_cases() -> Iterator[Case]:
    """Convolutions of MobileNets, ResNets and keyword spotters."""
    shapes = {
        "pointwise 56x56 64-128": (window((56, 56), (64, 128), (1, 1)), 1),
        "pointwise 14x14 96-576": (window((14, 14), (96, 576), (1, 1)), 1),
        "pointwise 7x7 320-1280": (window((7, 7), (320, 1280), (1, 1)), 1),
        "pointwise 25x5 64-64": (window((25, 5), (64, 64), (1, 1)), 1),
        "pointwise 56x56 24-40": (window((56, 56), (24, 40), (1, 1)), 1),
        "3x3 56x56 64-64": (window((56, 56), (64, 64), (3, 3), pads=(1, 1, 1, 1)), 1),
        "3x3 7x7 512-512": (window((7, 7), (512, 512), (3, 3), pads=(1, 1, 1, 1)), 1),
        "3x3/2 96x96 3-16": (window((96, 96), (3, 16), (3, 3), stride=(2, 2), pads=(1, 1, 1, 1)), 1),
        "depthwise 3x3 56x56 96": (window((56, 56), (96, 96), (3, 3), pads=(1, 1, 1, 1)), 96),
        "depthwise 3x3/2 56x56 96": (
            window((56, 56), (96, 96), (3, 3), stride=(2, 2), pads=(1, 1, 1, 1)),
            96,
        ),
        "depthwise 3x3 25x5 64": (window((25, 5), (64, 64), (3, 3), pads=(1, 1, 1, 1)), 64),
        "depthwise 5x5 14x14 240": (window((14, 14), (240, 240), (5, 5), pads=(2, 2, 2, 2)), 240),
    }
    for name, (w, groups) in shapes.items():
        depthwise = groups > 1
        kernel = "fleet_depthwise_conv" if depthwise else "fleet_conv"
        weights = pad4(w.out_c) * (w.kernel_h + 1) * (w.kernel_w * w.in_c // groups + 2)
        x, y = size(w.in_shape), size(w.out_shape)
        macs = y * w.kernel_h * w.kernel_w * w.in_c // groups
        s8 = pack_params(w.fields, groups, 0, 3, -4, -128, 127, 0, patch_pixels(w, groups))
        f32 = pack_params(w.fields, groups, -np.inf, np.inf)
        channels = 4 * pad4(w.out_c)
        yield Case(f"s8 {name}", f"{kernel}_s8", s8, (x, weights, channels, channels, y, 1 << 18), macs)
        yield Case(f"f32 {name}", f"{kernel}_f32", f32, (4 * x, 4 * weights, channels, 4 * y), macs)


def patch_pixels(w: Window, groups: int) -> int:
    """What the compiler chooses: about 16 KiB of scratch."""
    if groups > 1:
        return w.out_w
    run = 8 * w.kernel_h * w.in_c
    return max(4, (16384 // run - w.kernel_w) // w.stride_w // 4 * 4)


def matmul_cases() -> Iterator[Case]:
    """Fully connected layers."""
    for rows, depth, columns in [(1, 640, 128), (1, 1280, 1000), (64, 256, 256)]:
        name = f"matmul {rows}x{depth}x{columns}"
        x, w, y = rows * depth, (depth + 1) * pad4(columns), rows * columns
        s8 = pack_params(rows, depth, columns, 3, -4, -128, 127, min(rows, 4))
        f32 = pack_params(1, rows, depth, columns, 0, 0, 1, -np.inf, np.inf)
        n = 4 * pad4(columns)
        yield Case(f"s8 {name}", "fleet_matmul_s8", s8, (x, w, n, n, y, 1 << 18), rows * depth * columns)
        yield Case(f"f32 {name}", "fleet_matmul_f32", f32, (4 * x, 4 * w, n, 4 * y), rows * depth * columns)


def elementwise_cases() -> Iterator[Case]:
    """What stands between the products."""
    n = 14 * 14 * 96
    unit = "G/s"
    shape = [1, n, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    add = pack_params(shape, 1, 2, 3, -128, 127, 0.5, 0.25)
    yield Case("s8 add", "fleet_add_s8", add, (n, n, n), n, unit)
    yield Case("s8 mul", "fleet_mul_s8", pack_params(shape, 1, 2, 3, -128, 127, 0.01), (n, n, n), n, unit)
    yield Case("f32 add", "fleet_add_f32", pack_params(shape, 0.0, 6.0), (4 * n, 4 * n, 4 * n), n, unit)
    yield Case("s8 table", "fleet_table_s8", pack_params(1, n, n, n), (n, 256, n), n, unit)
    yield Case("quantize", "fleet_quantize_f32_s8", pack_params(n, 3, 0.1), (4 * n, n), n, unit)
    yield Case("dequantize", "fleet_dequantize_s8_f32", pack_params(n, 3, 0.1), (n, 4 * n), n, unit)
    softmax = pack_params(20, 1000, 1, -128, 256.0)
    yield Case("s8 softmax 1000", "fleet_softmax_s8", softmax, (20000, 1024, 20000), 20000, unit)
    yield Case("f32 softmax 1000", "fleet_softmax_f32", pack_params(20, 1000, 1), (80000, 80000), 20000, unit)
    pool = window((56, 56), (64, 64), (2, 2), stride=(2, 2))
    yield from pool_cases("2x2 56x56 64", pool)
    yield from pool_cases("global 7x7 1280", window((7, 7), (1280, 1280), (7, 7)))


def pool_cases(name: str, w: Window) -> Iterator[Case]:
    """Both int8 pools; their work is counted in input elements."""
    sizes = size(w.in_shape), size(w.out_shape)
    largest = pack_params(w.fields, -128, 127)
    mean = pack_params(w.fields, 0, 3, 4, -128, 127, 0.1, 0.2)
    yield Case(f"s8 max {name}", "fleet_max_pool_s8", largest, sizes, sizes[0], "G/s")
    yield Case(f"s8 mean {name}", "fleet_average_pool_s8", mean, sizes, sizes[0], "G/s")


def size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def pad4(channels: int) -> int:
    return -(-channels // 4) * 4


def measure(machine: Machine, case: Case, rng: np.random.Generator) -> float:
    """Work a nanosecond, the best of some rounds."""
    # Bytes of ordinary floats: subnormal ones would be slow.
    buffers = [rng.uniform(1, 2, n // 4 + 1).astype(np.float32).tobytes()[:n] for n in case.sizes]
    addresses = machine.load([case.params, *buffers])
    call = machine.exports[f"repeat_{case.kernel}"]

    def seconds(times: int) -> float:
        start = time.perf_counter()
        call(machine.store, times, *addresses)
        return time.perf_counter() - start

    times = max(1, int(SECONDS / ROUNDS / seconds(1)))
    return case.work * times / min(seconds(times) for _ in range(ROUNDS)) / 1e9


def main() -> None:
    """Prints a table, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only cases with one of these in their name")
    parser.add_argument("--target", choices=list(CPU), action="append")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    targets = arguments.target or list(CPU)
    cases = [
        case
        for case in [*conv_cases(), *matmul_cases(), *elementwise_cases()]
        if not arguments.names or any(name in case.name for name in arguments.names)
    ]
    rng = np.random.default_rng(0)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for target in targets:
            module = link(target, Path(folder), OPTIMIZED, Path(__file__).with_name("kernels.c"))
            machine = Machine(target, module)
            rates[target] = [measure(machine, case, rng) for case in cases]
    rows = [
        {"case": case.name, "unit": case.unit, **{target: round(rates[target][i], 3) for target in targets}}
        for i, case in enumerate(cases)
    ]
    if arguments.json:
        json.dump(rows, sys.stdout, indent=1)
        return
    heading = "".join(f"{target:>10}" for target in targets)
    sys.stdout.write(f"{'':32}{heading}\n")
    for row in rows:
        values = "".join(f"{row[target]:10.2f}" for target in targets)
        sys.stdout.write(f"{row['case']:32}{values}  {row['unit']}\n")


if __name__ == "__main__":
    main()
