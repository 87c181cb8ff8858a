"""Einsum, determinants and Fourier transforms."""

import math

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix, walk, with_scratch
from controller.compiler.plan.memory import tensor_strides
from controller.compiler.plan.steps import Slot, Step

_COMPLEX_BYTES = 16


def einsum(site: Site) -> Step:
    """Einsum: labels are numbers; those that the output lacks are summed."""
    labels, out_labels = site.node.attrs["labels"], site.node.attrs["out_labels"]
    tensors = [site.tensor(index) for index in range(len(labels))]
    sizes: dict[int, int] = {}
    for tensor, names in zip(tensors, labels, strict=True):
        for label, size in zip(names, tensor.shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), size)
    operands = [*zip(tensors, labels, strict=True)]
    strides: list[dict[int, int]] = []
    for tensor, names in operands:
        steps: dict[int, int] = {}
        for label, size, step in zip(names, tensor.shape, tensor_strides(tensor), strict=True):
            steps[label] = steps.get(label, 0) + (step if size != 1 else 0)
        strides.append(steps)
    strides += [{}] * (3 - len(strides))
    strides.append(dict(zip(out_labels, tensor_strides(site.out), strict=True)))
    inner = [label for label in sizes if label not in out_labels]
    walks = {}
    for name, chosen in (("outer", list(out_labels)), ("inner", inner)):
        shape = tuple(sizes[label] for label in chosen)
        walks[name] = walk(shape, range(len(shape)), [[s.get(label, 0) for label in chosen] for s in strides])
    call = instance(
        "einsum.h",
        f"fleet_einsum{len(tensors)}_{suffix(site.out.dtype)}",
        "fleet_einsum",
        walks,
        (*(site.argument(index) for index in range(len(tensors))), Slot(site.out.name)),
        X=c_type(site.out.dtype),
        ACC=c_type(site.out.dtype) if site.out.dtype.kind == "f" else "uint64_t",
        COUNT=str(len(tensors)),
    )
    return site.step(call, macs=site.out.size * math.prod(sizes[label] for label in inner))


def det(site: Site) -> Step:
    """Det."""
    x = site.tensor(0)
    call = instance(
        "det.h",
        f"fleet_det_{suffix(x.dtype)}",
        "fleet_det",
        {"matrices": math.prod(x.shape[:-2]), "size": x.shape[-1]},
        (site.argument(0), Slot(site.out.name)),
        X=c_type(x.dtype),
    )
    return site.step(with_scratch(call, max(8 * x.shape[-1] ** 2, 8)))


def dft(site: Site) -> Step:
    """DFT; the axis is an input."""
    x, out, attrs = site.tensor(0), site.out, site.node.attrs
    room = max(attrs["size"], *x.shape[:-1], *out.shape[:-1])
    params = {
        "rank": len(x.shape) - 1,
        "in": list(x.shape[:-1]),
        "out": list(out.shape[:-1]),
        "parts": x.shape[-1],
        "size": attrs["size"],
        "room": room,
        "inverse": attrs["inverse"],
        "real": out.shape[-1] == 1,
    }
    call = instance(
        "dft.h",
        f"fleet_dft_{suffix(x.dtype)}",
        "fleet_dft",
        params,
        (site.argument(0), site.argument(1), Slot(out.name)),
        X=c_type(x.dtype),
    )
    return site.step(with_scratch(call, _COMPLEX_BYTES * room))


def stft(site: Site) -> Step:
    """STFT."""
    x, step, out, size = site.tensor(0), site.tensor(1), site.out, site.node.attrs["size"]
    has_window = len(site.node.inputs) > 2
    params = {
        "batch": x.shape[0],
        "samples": x.shape[1],
        "parts": x.shape[2] if len(x.shape) > 2 else 1,
        "frames": out.shape[1],
        "size": size,
        "out": out.shape[2],
    }
    call = instance(
        "stft.h",
        f"fleet_stft_{suffix(x.dtype)}_{suffix(step.dtype)}{'_window' if has_window else ''}",
        "fleet_stft",
        params,
        (*(site.argument(index) for index in range(len(site.node.inputs))), Slot(out.name)),
        X=c_type(x.dtype),
        STEP=c_type(step.dtype),
        WINDOW=str(int(has_window)),
    )
    return site.step(with_scratch(call, _COMPLEX_BYTES * size))


LOWERINGS: dict[str, Lowering] = {"DFT": dft, "Det": det, "Einsum": einsum, "STFT": stft}
