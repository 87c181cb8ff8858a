"""Proves that every target computes what the oracle computes, bit for bit."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from controller.compiler import resources
from controller.compiler.emit import CompiledModule
from controller.compiler.errors import CheckError
from controller.compiler.execute import Instance
from controller.compiler.ir import Array
from controller.compiler.progress import Progress


def check(
    modules: Mapping[str, CompiledModule],
    document: bytes,
    inputs: Sequence[Mapping[str, Array]],
    progress: Progress,
) -> str:
    """Run all targets and the oracle on the same inputs.

    Where a graph has an operator unknown to the oracle, targets are compared with each other. State is
    carried from input to input.

    Args:
        modules: By target.
        document: The graph document.
        inputs: At the module's types.
        progress: Told of each input.

    Returns:
        What was compared, for people.

    Raises:
        CheckError: They differ; the target and the first layer that differs are named.
        LayerTrap: A module trapped.
    """
    oracle = resources.oracle()
    instances = {name: Instance(module.wasm) for name, module in modules.items()}
    judge, unjudged = _judge(oracle, document)
    what = f"{' = '.join(modules)}{' = oracle' if judge else f', without the oracle ({unjudged})'}"
    state: dict[str, Array] = {}
    for done, sample in enumerate(inputs, start=1):
        results = {target: instance.run(sample) for target, instance in instances.items()}
        first = next(iter(results))
        values = results[first] if judge is None else oracle.run(judge, sample, state)
        for target, outputs in results.items():
            if all(oracle.same_class(value, values[name]) for name, value in outputs.items()):
                continue
            if judge is None:
                raise _between(modules[first], modules[target])
            raise _difference(oracle, modules[target], instances[target], sample, values)
        state = oracle.next_state(judge, values) if judge else {}
        progress.advance("check", done, len(inputs))
    return f"{what}, {len(inputs)} inputs, bit for bit"


def _judge(oracle: ModuleType, document: bytes) -> tuple[Any, str]:
    """The graph as the oracle loads it; None, and why, where it cannot judge."""
    try:
        return oracle.load(document), ""
    except oracle.DocumentError as error:
        return None, str(error)


def _between(first: CompiledModule, second: CompiledModule) -> CheckError:
    return CheckError(
        f"{first.target} and {second.target} differ",
        where=f"{first.meta.name} {first.meta.version}",
        remedy="this is a bug of a kernel or of the compiler: please report it with the ONNX file",
    )


def first_difference(
    oracle: ModuleType,
    module: CompiledModule,
    instance: Instance,
    sample: Mapping[str, Array],
    values: Mapping[str, Array],
) -> int | None:
    """Index of the first layer whose output is not what the oracle says; pure moves are passed over."""
    for index, raw in instance.run_layers(sample):
        tensor, order = module.outputs[index]
        if tensor not in values:
            continue
        layer = module.meta.layers[index]
        memory = np.frombuffer(raw, np.dtype(layer.dtype)).reshape([layer.shape[d] for d in order])
        if not oracle.same_class(memory.transpose(np.argsort(order)), values[tensor]):
            return index
    return None


def _difference(
    oracle: ModuleType,
    module: CompiledModule,
    instance: Instance,
    sample: Mapping[str, Array],
    values: Mapping[str, Array],
) -> CheckError:
    # A module with state has gone on to the next run: its layers would show other values.
    index = None if module.meta.state else first_difference(oracle, module, instance, sample, values)
    layer = "the outputs" if index is None else f"layer {module.meta.describe_layer(index)}"
    return CheckError(
        f"{module.target} and the oracle differ, first in {layer}",
        where=f"{module.meta.name} {module.meta.version}",
        remedy="this is a bug of a kernel or of the compiler: please report it with the ONNX file",
    )
