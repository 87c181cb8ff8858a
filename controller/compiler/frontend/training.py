"""Optimizers of ai.onnx.preview.training, written as the arithmetic that ONNX gives for them.

Inputs are the rate R, the count of updates T, then all parameters, all gradients, and all of each state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from controller.compiler.frontend.control import Scope

DOMAIN = "ai.onnx.preview.training"


@dataclass
class _Sheet:
    """Writes formulas, one node an operation."""

    scope: Scope
    node: onnx.NodeProto
    count: int = 0

    def attribute(self, name: str, default: float) -> float:
        """A float attribute."""
        return next((float(a.f) for a in self.node.attribute if a.name == name), default)

    def number(self, value: float, like: str) -> str:
        """A constant of the type of a value."""
        self.count += 1
        dtype = self.scope.type_of(like)[0]
        return self.scope.constant(f"{self.node.name}/number{self.count}", np.array(value, dtype))

    def __call__(self, op: str, *inputs: str, out: str | None = None) -> str:
        """One operation; returns the name of its result."""
        self.count += 1
        name = out or f"{self.node.name}/{op}{self.count}"
        self.scope.write(op, list(inputs), [name], f"{self.node.name}/{op}_{self.count}")
        return name

    def scaled(self, factor: float, value: str) -> str:
        """Factor · value."""
        return self("Mul", value, self.number(factor, value))

    def mixed(self, share: float, old: str, new: str) -> str:
        """Share · old + (1 - share) · new."""
        return self("Add", self.scaled(share, old), self.scaled(1 - share, new))

    def regularized(self, x: str, gradient: str) -> str:
        """The gradient, and that of half the squared norm."""
        return self("Add", self.scaled(self.attribute("norm_coefficient", 0.0), x), gradient)

    def after_first(self, value: str, otherwise: str) -> str:
        """Value, but before the first update, where T is 0, the other one."""
        updates = self.node.input[1]
        begun = self("Greater", updates, self.number(0, updates))
        return self("Where", begun, value, otherwise)


Update = Callable[[_Sheet, list[str], list[str]], None]
"""(sheet, [parameter, gradient, states …], [new parameter, new states …])"""


def _adagrad(sheet: _Sheet, given: list[str], made: list[str]) -> None:
    x, gradient, squares = given
    rate, updates = sheet.node.input[:2]
    g = sheet.regularized(x, gradient)
    new = sheet("Add", squares, sheet("Mul", g, g), out=made[1])
    turns = sheet("CastLike", updates, rate)
    decay = sheet("Add", sheet.scaled(sheet.attribute("decay_factor", 0.0), turns), sheet.number(1, rate))
    root = sheet("Add", sheet("Sqrt", new), sheet.number(sheet.attribute("epsilon", 0.0), new))
    step = sheet("Div", sheet("Mul", sheet("Div", rate, decay), g), root)
    sheet("Sub", x, step, out=made[0])


def _adam(sheet: _Sheet, given: list[str], made: list[str]) -> None:
    x, gradient, mean, squares = given
    rate, updates = sheet.node.input[:2]
    alpha, beta = sheet.attribute("alpha", 0.9), sheet.attribute("beta", 0.999)
    g = sheet.regularized(x, gradient)
    new_mean = sheet("Identity", sheet.mixed(alpha, mean, g), out=made[1])
    new_squares = sheet("Identity", sheet.mixed(beta, squares, sheet("Mul", g, g)), out=made[2])
    turns = sheet("CastLike", updates, rate)
    one = sheet.number(1, rate)
    left = [sheet("Sub", one, sheet("Pow", sheet.number(share, rate), turns)) for share in (alpha, beta)]
    corrected = sheet("Div", sheet("Mul", rate, sheet("Sqrt", left[1])), left[0])
    root = sheet(
        "Add", sheet("Sqrt", new_squares), sheet.number(sheet.attribute("epsilon", 0.0), new_squares)
    )
    step = sheet("Div", sheet("Mul", sheet.after_first(corrected, rate), new_mean), root)
    kept = 1 - sheet.attribute("norm_coefficient_post", 0.0)
    sheet("Identity", sheet.scaled(kept, sheet("Sub", x, step)), out=made[0])


def _momentum(sheet: _Sheet, given: list[str], made: list[str]) -> None:
    x, gradient, velocity = given
    rate = sheet.node.input[0]
    g = sheet.regularized(x, gradient)
    # The first gradient counts in full.
    share = sheet.after_first(sheet.number(sheet.attribute("beta", 0.0), x), sheet.number(1, x))
    kept = sheet.scaled(sheet.attribute("alpha", 0.0), velocity)
    new = sheet("Add", kept, sheet("Mul", share, g), out=made[1])
    if any(a.name == "mode" and a.s == b"nesterov" for a in sheet.node.attribute):
        new = sheet("Add", g, sheet.scaled(sheet.attribute("alpha", 0.0), new))
    sheet("Sub", x, sheet("Mul", rate, new), out=made[0])


def _every(update: Update, states: int) -> Callable[[Scope, onnx.NodeProto], None]:
    """The update of every parameter of the node."""

    def rewrite(scope: Scope, node: onnx.NodeProto) -> None:
        sheet = _Sheet(scope, node)
        inputs, count = list(node.input[2:]), (len(node.input) - 2) // (states + 2)
        outputs = [name or f"{node.name}/unused{i}" for i, name in enumerate(node.output)]
        for index in range(count):
            update(sheet, inputs[index::count], outputs[index::count])

    return rewrite


REWRITES: Mapping[tuple[str, str], Callable[[Scope, onnx.NodeProto], None]] = {
    (DOMAIN, "Adagrad"): _every(_adagrad, 1),
    (DOMAIN, "Adam"): _every(_adam, 2),
    (DOMAIN, "Momentum"): _every(_momentum, 1),
}
