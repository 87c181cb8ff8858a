"""LSTM, GRU and RNN, one direction each."""

from typing import Any

import numpy as np

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix, with_scratch
from controller.compiler.plan.steps import Params, Slot, Step

ACTIVATIONS = {
    "affine": "(p->alpha[i] * (v) + p->beta[i])",
    "elu": "((v) < 0 ? p->alpha[i] * fleet_expm1_{t}(v) : (v))",
    "hardsigmoid": "FLEET_UNIT(p->alpha[i] * (v) + p->beta[i])",
    "leakyrelu": "((v) < 0 ? p->alpha[i] * (v) : (v))",
    "relu": "((v) < 0 ? 0 : (v))",
    "scaledtanh": "(p->alpha[i] * fleet_tanh_{t}(p->beta[i] * (v)))",
    "sigmoid": "(1 / (1 + fleet_exp_{t}(-(v))))",
    "softplus": "(fleet_log1p_{t}(fleet_exp_{t}(-fleet_abs_{t}(v))) + ((v) > 0 ? (v) : 0))",
    "softsign": "((v) / (1 + fleet_abs_{t}(v)))",
    "tanh": "fleet_tanh_{t}(v)",
    "thresholdedrelu": "((v) < p->alpha[i] ? 0 : (v))",
}
"""By ONNX's name in lower case; `v` is a float of type `t`, `i` the activation's place."""


def _params(site: Site, hidden: int) -> Params:
    attrs: dict[str, Any] = site.node.attrs
    steps, batch = site.tensor(0).shape[:2]
    activations = attrs["activations"]
    padded = [*activations, *[["", 0.0, 0.0]] * (3 - len(activations))]
    return {
        "steps": steps,
        "batch": batch,
        "hidden": hidden,
        "reverse": attrs["reverse"],
        "input_forget": attrs.get("input_forget", False),
        "clip": np.float32(attrs["clip"]),
        "alpha": [np.float32(alpha) for _, alpha, _ in padded],
        "beta": [np.float32(beta) for _, _, beta in padded],
    }


def _recurrent(site: Site, file: str, variant: str, gates: int, **flags: int) -> Step:
    """A step of one kernel.

    Args:
        site: The node.
        file: Template.
        variant: What distinguishes it from others of the file, but for types and activations.
        gates: How many rows of `hidden` it needs as scratch.
        **flags: Macros.
    """
    x, hidden = site.tensor(0), site.tensor(1).shape[0]
    names = [name for name, _, _ in site.node.attrs["activations"]]
    kernel = "_".join(["fleet", file.removesuffix(".h"), *filter(None, [variant]), *names, suffix(x.dtype)])
    given = [site.argument(index) for index in range(len(site.node.inputs))]
    macros = {
        f"{letter}(v, i)": ACTIVATIONS[name].format(t=suffix(x.dtype))
        for letter, name in zip("FGH", names, strict=False)
    }
    call = instance(
        file,
        kernel,
        "fleet_recurrent",
        _params(site, hidden),
        (*given, *(Slot(output) for output in site.node.outputs)),
        X=c_type(x.dtype),
        PRODUCT=f"{kernel}_product",
        **{name.upper(): str(value) for name, value in flags.items()},
        **macros,
    )
    macs = x.shape[0] * x.shape[1] * hidden * site.tensor(1).shape[1]
    return site.step(with_scratch(call, gates * hidden * x.dtype.itemsize), macs=macs)


def lstm(site: Site) -> Step:
    """LSTM."""
    peepholes = len(site.node.inputs) > 5
    return _recurrent(site, "lstm.h", "peepholes" if peepholes else "", 4, peepholes=int(peepholes))


def gru(site: Site) -> Step:
    """GRU."""
    after = bool(site.node.attrs["linear_before_reset"])
    return _recurrent(site, "gru.h", "after" if after else "", 4, reset_after=int(after))


def rnn(site: Site) -> Step:
    """RNN."""
    return _recurrent(site, "rnn.h", "", 1)


LOWERINGS: dict[str, Lowering] = {"GRU": gru, "LSTM": lstm, "RNN": rnn}
