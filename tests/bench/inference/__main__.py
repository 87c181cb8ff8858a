"""Speed and size of inference against onnxruntime, onnxruntime-web and LiteRT.js, interleaved, one thread.

scripts/bench inference [--json] [--models NAME …] [--rounds 7]
"""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from tests.bench import sizes
from tests.bench.inference import agent, engines, figures, once, peers, report
from tests.bench.inference.models import Prepared, prepare
from tests.bench.inference.native128 import native128
from tests.bench.inference.node import InNode, Node, NodeError, litert
from tests.bench.inference.rounds import Key, measure, medians
from tests.bench.zoo import MODELS, TINY

LEAST_ROUNDS = 7


def main() -> None:
    """Prints a table; with `--json` a JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    errors: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:
        models = []
        for name in arguments.models:
            say(f"{name}: quantize, compile")
            models.append(prepare(name))
        node = start_node(stack, errors)
        loaded = load(models, node, stack, errors)
        times, failures = measure(loaded, max(arguments.rounds, 1), say)
        for (name, engine), reason in failures.items():
            errors.setdefault(name, {})[engine] = reason
        result = summary(models, times, errors)
        result |= measure_once(models, node, errors)
    say("")
    sys.stdout.write(report.text(result))
    if arguments.json:
        sys.stdout.write(json.dumps(result) + "\n")


def measure_once(
    models: list[Prepared], node: Node | None, errors: dict[str, dict[str, str]]
) -> dict[str, dict[str, float]]:
    """Cold starts and builds."""
    figures: dict[str, dict[str, float]] = {"cold_start_ms": {}, "build_seconds": {}}
    for model in models:
        try:
            if node is not None and model.wasm is not None:
                figures["cold_start_ms"][model.name] = once.cold_start_ms(model, node)
            if model.name in once.BUILT:
                say(f"{model.name}: fleet build")
                figures["build_seconds"][model.name] = once.build_seconds(model)
        except (NodeError, OSError) as error:
            errors.setdefault(model.name, {})["once"] = str(error)
    return figures


def summary(
    models: list[Prepared], times: dict[Key, list[float]], errors: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """The JSON object."""
    table = medians(times)
    compiled = {model.name: model.compiled for model in models if model.compiled is not None}
    outside = figures.outside_shares(times)
    return {
        "time_ratio": figures.time_ratios(table),
        "speedup": figures.speedups(table),
        "by_target": figures.by_target(table),
        "outside_run_share": max((s for shares in outside.values() for s in shares.values()), default=None),
        "outside_run_shares": outside,
        "ms": {"mobilenetv3_512_node": milliseconds(table.get("mobilenetv3_512", {}).get("node"))},
        "arena_bytes": {name: module.meta.arena.size for name, module in compiled.items()},
        "arena_bound_bytes": {name: module.meta.arena_bound for name, module in compiled.items()},
        "code_bytes": {name: sizes.code_bytes(module) for name, module in compiled.items()},
        "module_bytes": {name: len(module.wasm) for name, module in compiled.items()},
        "compile_seconds": {model.name: model.seconds for model in models if model.compiled is not None},
        "median_seconds": table,
        "raw_seconds": [{"model": m, "engine": e, "rounds": values} for (m, e), values in times.items()],
        "errors": errors,
    }


def milliseconds(seconds: float | None) -> float | None:
    """From seconds."""
    return None if seconds is None else 1000 * seconds


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"\r\033[K{text}")
    sys.stderr.flush()


def start_node(stack: ExitStack, errors: dict[str, dict[str, str]]) -> Node | None:
    """Node, or None with the reason in `errors`."""
    try:
        return stack.enter_context(Node())
    except peers.PeerError as error:
        errors.setdefault("", {})["node"] = str(error)
        return None


def load(
    models: list[Prepared], node: Node | None, stack: ExitStack, errors: dict[str, dict[str, str]]
) -> dict[Key, engines.Timed]:
    """Every engine with every model; what fails becomes an entry of `errors`."""
    loaded: dict[Key, engines.Timed] = {}

    def attempt(model: Prepared, engine: str, make: Callable[[], engines.Timed]) -> None:
        say(f"{model.name}: {engine}")
        try:
            loaded[model.name, engine] = make()
        except Exception as error:  # noqa: BLE001 - one row of the table says so
            errors.setdefault(model.name, {})[engine] = f"{type(error).__name__}: {error}"

    for model in models:
        attempt(model, "onnxruntime_int8", lambda m=model: engines.onnxruntime_int8(m))
        attempt(model, "onnxruntime_float", lambda m=model: engines.onnxruntime_float(m))
        if node is not None:
            for form in ("int8", "float"):
                path = getattr(model, f"{form}_onnx")
                attempt(model, f"ortweb_{form}", lambda p=path, m=model: InNode(node, "ortweb", p, m.input))
        if model.wasm is None:
            errors.setdefault(model.name, {})["ours"] = model.error or "not compiled"
            continue
        attempt(model, "wasmtime", lambda m=model: engines.wasmtime_agent(m))
        attempt(model, "wasmtime_inside", lambda m=model: engines.wasmtime_inside(m))
        attempt(model, "wasmtime_relaxed", lambda m=model: engines.wasmtime_agent(m.relaxed))
        attempt(model, "native128", lambda m=model: native128(m))
        attempt(model, "agent_pipe", lambda m=model: agent.pipe(m, stack))
        attempt(model, "agent_http", lambda m=model: agent.over_http(m, stack))
        if node is not None:
            attempt(model, "node", lambda m=model: InNode(node, "ours", m.wasm, m.input))
            attempt(model, "node_inside", lambda m=model: InNode(node, "inside", m.wasm, m.input))
            attempt(model, "node_relaxed", lambda m=model: InNode(node, "ours", m.relaxed.wasm, m.input))
            if model.name in TINY:
                attempt(model, "litert", lambda m=model: litert(node, m))
    return loaded


if __name__ == "__main__":
    main()
