"""What int8 costs: top-1 accuracy of the float model in onnxruntime and of the compiled module."""

from dataclasses import dataclass

import numpy as np

from controller.compiler.emit import CompiledModule
from controller.compiler.errors import CheckError
from controller.compiler.execute import Instance
from controller.compiler.ir import Array
from controller.compiler.progress import Progress
from controller.compiler.reference import FloatModel
from controller.compiler.samples import Samples


@dataclass(frozen=True)
class Accuracy:
    """Shares of right answers, 0 … 1, of the first output's largest element.

    Attributes:
        reference: The ONNX file in onnxruntime, float32.
        module: The compiled module.
        samples: How many were measured.
        budget: Percentage points that the module may lose.
        agreement: Share of samples on which both give the same class, right or wrong.
        form: What the module computes in, "int8" or "float32".
    """

    reference: float
    module: float
    samples: int
    budget: float
    agreement: float
    form: str = "int8"

    @property
    def drop(self) -> float:
        """Percentage points lost; negative if the module is better."""
        return 100 * (self.reference - self.module)

    @property
    def text(self) -> str:
        """One line, as `fleet build` shows it."""
        return (
            f"float {100 * self.reference:.1f} %   {self.form} {100 * self.module:.1f} %   "
            f"({self.samples:,} samples; budget {self.budget:g} points)"
        )


def measure(
    model: FloatModel, module: CompiledModule, samples: Samples, budget: float, progress: Progress
) -> Accuracy:
    """Run both on labelled samples.

    Args:
        model: The ONNX model.
        module: Of any target: all give the same bits.
        samples: With labels.
        budget: For the result.
        progress: Told of each sample.
    """
    instance = Instance(module.wasm)
    output = module.meta.outputs[0].name
    expected = np.empty(len(samples), np.int64)
    found = np.empty(len(samples), np.int64)
    for index, sample in enumerate(samples):
        expected[index] = _top(model.run(sample)[output])
        found[index] = _top(instance.run(instance.quantize(sample))[output])
        progress.advance("accuracy", index + 1, len(samples))
    labels = np.asarray(samples.labels).reshape(-1)
    return Accuracy(
        float(np.mean(expected == labels)),
        float(np.mean(found == labels)),
        len(samples),
        budget,
        float(np.mean(expected == found)),
        "int8" if module.meta.inputs[0].scale is not None else "float32",
    )


def _top(value: Array) -> int:
    return int(np.argmax(value))


def require(accuracy: Accuracy, name: str) -> None:
    """Hold a build to its budget.

    Raises:
        CheckError: The module lost more.
    """
    if accuracy.drop > accuracy.budget + 1e-9:
        raise CheckError(
            f"{name} loses {accuracy.drop:.2f} points of accuracy by quantization; "
            f"the budget is {accuracy.budget:g}",
            where=accuracy.text,
            remedy="[quantize] keep_float = [names of layers], more calibration data, "
            "or a larger [evaluate] budget",
        )
