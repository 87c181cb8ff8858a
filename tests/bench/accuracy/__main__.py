"""What int8 costs real models, on labelled data that calibration did not see.

python -m tests.bench.accuracy [--json] [--table] [--models NAME …]
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.compiler import Accuracy, Build, ModelProject, build
from tests.bench.accuracy.projects import BUDGET, MODELS, require_disjoint

PAGE = Path(__file__).parents[3] / "docs" / "accuracy.md"
METHODS = ("mse", "minmax", "percentile", "entropy")
LEAST = 1000
"""Samples that a figure needs."""
SLOW = ("magika",)
"""Measured by its own method only."""


TEMPLATE = """\
# Accuracy

Written by `scripts/bench accuracy --table`. Top-1 accuracy on labelled samples that calibration did not see:
the ONNX file in onnxruntime, and the int8 module in wasmtime. Each model may lose {budget:g} point, and is
measured on at least {least:,} samples.

| model | samples | float32 | int8 | points lost | same answer | layers in int8 | lost with 7-bit weights |
|---|---|---|---|---|---|---|---|
{rows}

{data}

Releases with the target `relaxed` have 7-bit weights in every target: the last column.

In magika only Conv and MatMul are quantized (`operators = ["Conv", "MatMul"]`): nearly all of its work. Its
figures depend on which files a machine has.

## Points lost by method of calibration

All layers that the project lets be int8, nothing searched. A negative figure is chance: int8 moved a few
answers the right way. Entropy cuts too much where tensors have few values, as behind a global average: mse is
the default.

| model | {methods} |
|---|{bars}
{compared}
"""


@dataclass(frozen=True)
class Result:
    """One model.

    Attributes:
        data: What its data is.
        build: For `simd`.
        accuracy: Of that build.
        narrow: With the 7-bit weights of `relaxed`.
        by_method: Points lost by method of calibration.
    """

    data: str
    build: Build
    accuracy: Accuracy
    narrow: Accuracy
    by_method: dict[str, float]

    @property
    def holds(self) -> bool:
        """Whether the gate holds."""
        return self.accuracy.holds and self.narrow.holds and self.accuracy.samples >= LEAST


def measure(name: str, *, methods: bool) -> Result:
    """Build one model, as `fleet build` does, and measure it.

    Args:
        name: A key of `MODELS`.
        methods: Whether to compare the methods of calibration too.
    """
    prepared = MODELS[name]()
    project = ModelProject.load(prepared.folder)
    require_disjoint(project)
    built, narrow = (build(project, targets=[target], max_drop=BUDGET) for target in ("simd", "relaxed"))
    if built.accuracy is None or narrow.accuracy is None:
        raise ValueError(f"{name} has no evaluation data")
    lost = {}
    for method in METHODS if methods and name not in SLOW else ():
        lost[method] = _drop(project, method)
    return Result(prepared.data, built, built.accuracy, narrow.accuracy, lost)


def _drop(project: ModelProject, method: str) -> float:
    """Points lost by everything in int8."""
    table = project.quantize
    if table is None:
        raise ValueError(f"{project.name} is not quantized")
    other = project.model_copy(update={"quantize": table.model_copy(update={"method": method})})
    accuracy = build(other, targets=["simd"], max_drop=100).accuracy
    return accuracy.drop if accuracy is not None else 0.0


def document(results: dict[str, Result]) -> dict[str, object]:
    """The JSON object."""
    return {
        "drop_points": {name: result.accuracy.drop for name, result in results.items()},
        "drop_points_7_bit_weights": {name: result.narrow.drop for name, result in results.items()},
        "budget": BUDGET,
        "models": {
            name: {
                "data": result.data,
                "samples": result.accuracy.samples,
                "float": result.accuracy.reference,
                "int8": result.accuracy.module,
                "agreement": result.accuracy.agreement,
                "layers_int8": len(result.build.layers_int8),
                "layers_float32": len(result.build.layers_float or {}),
                "quantization": result.build.provenance.get("quantization"),
                "drop_points_by_method": result.by_method,
                "holds": result.holds,
            }
            for name, result in results.items()
        },
    }


def page(results: dict[str, Result]) -> str:
    """`docs/accuracy.md`."""
    rows = [
        f"| {name} | {r.accuracy.samples:,} | {100 * r.accuracy.reference:.2f} % | "
        f"{100 * r.accuracy.module:.2f} % | {r.accuracy.drop:+.2f} | {100 * r.accuracy.agreement:.2f} % | "
        f"{len(r.build.layers_int8)} of {len(r.build.layers_int8) + len(r.build.layers_float or {})} | "
        f"{r.narrow.drop:+.2f} |"
        for name, r in results.items()
    ]
    compared = [
        f"| {name} | {' | '.join(f'{r.by_method[method]:+.2f}' for method in METHODS)} |"
        for name, r in results.items()
        if r.by_method
    ]
    return TEMPLATE.format(
        budget=BUDGET,
        least=LEAST,
        rows="\n".join(rows),
        data="\n".join(f"- **{name}**: {r.data}." for name, r in results.items()),
        methods=" | ".join(METHODS),
        bars="---|" * len(METHODS),
        compared="\n".join(compared),
    )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit 1 if a model loses more than it may, or is measured on too few samples."""
    parser = argparse.ArgumentParser(prog="scripts/bench accuracy", description=__doc__)
    parser.add_argument("--json", action="store_true", help="a JSON object as the last line")
    parser.add_argument("--table", action="store_true", help="compare methods, write docs/accuracy.md")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    results = {}
    for name in options.models:
        results[name] = result = measure(name, methods=options.table)
        verdict = "" if result.holds else "   OVER THE BUDGET, OR TOO FEW SAMPLES"
        lost = f"lost {result.accuracy.drop:+.2f}, with 7-bit weights {result.narrow.drop:+.2f}"
        _print([f"{name:15s} {result.accuracy.text}   {lost}{verdict}"])
    if options.table:
        PAGE.write_text(page(results))
    if options.json:
        _print([json.dumps(document(results))])
    return 0 if all(result.holds for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
