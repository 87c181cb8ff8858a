"""What int8 costs: top-1 accuracy of the float model in onnxruntime and of the compiled module.

A model's answer is the class whose element of the first output is largest; or that output itself, if it is
one integer, as of a model that ends in ArgMax.
"""

from dataclasses import dataclass

import numpy as np

from controller.compiler.emit import CompiledModule
from controller.compiler.errors import CalibrationError, CheckError
from controller.compiler.execute import Instance
from controller.compiler.ir import Array
from controller.compiler.progress import Progress
from controller.compiler.reference import FloatModel
from controller.compiler.samples import Samples
from protocol.module import ModuleMeta

_ROUNDING = 1e-9


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
        labelled: Whether right means the label; otherwise it means the float model's answer.
    """

    reference: float
    module: float
    samples: int
    budget: float
    agreement: float
    form: str = "int8"
    labelled: bool = True

    @property
    def drop(self) -> float:
        """Percentage points lost; negative if the module is better."""
        return 100 * (self.reference - self.module)

    @property
    def holds(self) -> bool:
        """Whether it is within the budget."""
        return self.drop <= self.budget + _ROUNDING

    @property
    def text(self) -> str:
        """One line, as `fleet build` shows it."""
        end = f"({self.samples:,} samples; budget {self.budget:g} points)"
        if not self.labelled:
            return f"{self.form} answers as float on {100 * self.agreement:.1f} %   {end}"
        return f"float {100 * self.reference:.1f} %   {self.form} {100 * self.module:.1f} %   {end}"


class Judge:
    """Samples, and what the float model answers to them.

    Without labels the float model's answers are taken for right, so that the drop is the share of answers
    that change: no labelled set could show a larger one.

    Args:
        model: The ONNX model.
        samples: Labelled or not.
        budget: For the results.

    Raises:
        CalibrationError: The model gives no answers of this kind, or a label is none of them.
    """

    def __init__(self, model: FloatModel, samples: Samples, budget: float) -> None:
        self.samples = samples
        self._model, self._budget = model, budget
        self._answers: Array | None = None
        self._check_answers()

    def _check_answers(self) -> None:
        """Where all answers are the same, or none can be right, what is measured means nothing."""
        name = self._model.names[0]
        value = np.asarray(self._model.run(next(iter(self.samples)))[name])
        scores = value.dtype.kind == "f"
        if scores and value.size == 1:
            raise CalibrationError(
                f"accuracy is that of a choice between classes; output {name} is one number",
                where="[evaluate] or --max-drop",
                remedy="leave both out, and compare outputs by fleet debug compare",
            )
        labels = self.samples.labels
        if scores and labels is not None and labels.max() >= value.size:
            raise CalibrationError(
                f"a label is class {labels.max()}; output {name} has {value.size} classes, from 0",
                where="evaluation data",
                remedy="number the classes in the order of the output",
            )

    @property
    def answers(self) -> Array:
        """The float model's: int64 [sample]."""
        if self._answers is None:
            output = self._model.names[0]
            found = [answer(self._model.run(sample)[output]) for sample in self.samples]
            self._answers = np.array(found, np.int64)
        return self._answers

    @property
    def labels(self) -> Array:
        """What is right: int64 [sample]."""
        labels = self.samples.labels
        return self.answers if labels is None else labels

    def ask(self, module: CompiledModule | bytes, progress: Progress) -> Array:
        """A module's answers: int64 [sample].

        Args:
            module: Of any target: all give the same bits.
            progress: Told of each sample.
        """
        instance = Instance(module if isinstance(module, bytes) else module.wasm)
        output = instance.meta.outputs[0].name
        found = np.empty(len(self.samples), np.int64)
        for index, sample in enumerate(self.samples):
            found[index] = answer(instance.run(instance.quantize(sample))[output])
            progress.advance("accuracy", index + 1, len(self.samples))
        return found

    def measure(self, module: CompiledModule, progress: Progress) -> Accuracy:
        """Compare a module with the float model."""
        return self.judge(self.ask(module, progress), module.meta)

    def judge(self, found: Array, meta: ModuleMeta) -> Accuracy:
        """Compare a module's answers, from `ask`, with the float model's."""
        quantized = any(layer.dtype == "int8" for layer in meta.layers)
        return Accuracy(
            float(np.mean(self.answers == self.labels)),
            float(np.mean(found == self.labels)),
            len(self.samples),
            self._budget,
            float(np.mean(self.answers == found)),
            "int8" if quantized else "float32",
            self.samples.labels is not None,
        )


def answer(value: Array) -> int:
    """The class that a first output names; -1 if it is empty."""
    if value.size <= 1:
        return int(value.reshape(-1)[0]) if value.size else -1
    return int(np.argmax(value))


def require(accuracy: Accuracy, name: str) -> None:
    """Hold a build to its budget.

    Raises:
        CheckError: The module lost more.
    """
    if not accuracy.holds:
        raise CheckError(
            f"{name} loses {accuracy.drop:.2f} points of accuracy by quantization; "
            f"the budget is {accuracy.budget:g}",
            where=accuracy.text,
            remedy="[quantize] keep_float = [names of layers], more calibration data, "
            "or a larger [evaluate] budget",
        )
