"""Proves that every target computes what the oracle computes, bit for bit."""

from collections.abc import Mapping, Sequence
from types import ModuleType

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
) -> None:
    """Run all targets and the oracle on the same inputs.

    Args:
        modules: By target.
        document: The graph document.
        inputs: At the module's types.
        progress: Told of each input.

    Raises:
        CheckError: They differ; the target and the first layer that differs are named.
        LayerTrap: A module trapped.
    """
    oracle = resources.oracle()
    graph = oracle.load(document)
    instances = {name: Instance(module.wasm) for name, module in modules.items()}
    for done, sample in enumerate(inputs, start=1):
        values = oracle.run(graph, sample)
        for target, instance in instances.items():
            results = instance.run(sample)
            if not all(oracle.same_class(result, values[name]) for name, result in results.items()):
                raise _difference(oracle, modules[target], instance, sample, values)
        progress.advance("check", done, len(inputs))


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
    index = first_difference(oracle, module, instance, sample, values)
    layer = "the outputs" if index is None else f"layer {module.meta.describe_layer(index)}"
    return CheckError(
        f"{module.target} and the oracle differ, first in {layer}",
        where=f"{module.meta.name} {module.meta.version}",
        remedy="this is a bug of a kernel or of the compiler: please report it with the ONNX file",
    )
