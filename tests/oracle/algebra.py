"""Einsum, determinants and Fourier transforms."""

import itertools

import numpy as np

from . import functions
from .arithmetic import Array
from .layer import Layer, Operator

F64 = np.float64


def einsum(layer: Layer) -> Array:
    """Products of up to three tensors; labels that the output lacks are summed, in the order they come."""
    labels, out_labels = layer.node.attrs["labels"], list(layer.node.attrs["out_labels"])
    operands = [layer.x(index) for index in range(len(labels))]
    sizes: dict[int, int] = {}
    for x, names in zip(operands, labels, strict=True):
        for label, size in zip(names, x.shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), size)
    shape = [sizes[label] for label in out_labels]
    summed = [label for label in sizes if label not in out_labels]
    acc = np.zeros(shape, layer.out.dtype)
    outer = dict(zip(out_labels, np.indices(shape, sparse=True), strict=True)) if shape else {}
    for inner in itertools.product(*(range(sizes[label]) for label in summed)):
        at = {**outer, **dict(zip(summed, inner, strict=True))}
        terms = [_at(x, names, at) for x, names in zip(operands, labels, strict=True)]
        product = terms[0]
        for term in terms[1:]:
            product = product * term
        acc = acc + product
    return np.asarray(acc)


def _at(x: Array, names: list[int], at: dict[int, Array | int]) -> Array:
    """The elements of an operand; a dimension of 1 is repeated."""
    index = tuple(
        at[label] if size != 1 else np.zeros_like(at[label])
        for label, size in zip(names, x.shape, strict=True)
    )
    return np.asarray(x[index])


def _determinant(a: Array) -> F64:
    size, det = a.shape[0], F64(1)
    for k in range(size):
        pivot = k
        for i in range(k + 1, size):
            pivot = i if abs(a[i, k]) > abs(a[pivot, k]) else pivot
        if pivot != k:
            det = -det
            a[[k, pivot]] = a[[pivot, k]]
        head = a[k, k]
        det = det * head
        for i in range(k + 1, size if head != 0 else 0):
            a[i, k:] = a[i, k:] - a[i, k] / head * a[k, k:]
    return det


def det(layer: Layer) -> Array:
    """By elimination with the largest pivot, in float64."""
    x = layer.x(0)
    matrices = x.astype(F64).reshape(-1, *x.shape[-2:])
    return np.array([_determinant(a) for a in matrices], F64).astype(x.dtype).reshape(layer.out.shape)


def turns(size: int) -> tuple[Array, Array]:
    """cos and sin of all multiples of 2π / size."""
    angles = F64(4) * functions.HALF_PI * np.arange(size, dtype=F64) / F64(size)
    return functions.cos(angles), functions.sin(angles)


def _transform(re_in: Array, im_in: Array, cosines: Array, sines: Array, count: int) -> tuple[Array, Array]:
    """Along the last axis, summed from the first term on.

    Args:
        re_in: [..., terms], float64.
        im_in: As `re_in`.
        cosines: [size].
        sines: [size], negative for the forward transform.
        count: How many results.
    """
    k = np.arange(count, dtype=np.int64)
    re, im = np.zeros((*re_in.shape[:-1], count)), np.zeros((*re_in.shape[:-1], count))
    for n in range(re_in.shape[-1]):
        turn = k * n % len(cosines)
        c, s = cosines[turn], sines[turn]
        a, b = re_in[..., n, None], im_in[..., n, None]
        re = re + (a * c - b * s)
        im = im + (a * s + b * c)
    return re, im


def dft(layer: Layer) -> Array:
    """Along one axis; a real result of an inverse transform comes from a one-sided spectrum."""
    x, attrs = layer.x(0), layer.node.attrs
    axis = int(layer.x(1).reshape(())) % x.ndim
    inverse, real = bool(attrs["inverse"]), layer.out.shape[-1] == 1
    parts = np.moveaxis(x.astype(F64), axis, -2)
    length, count = x.shape[axis], layer.out.shape[axis]
    size = int(attrs["size"]) or (count if real else length)
    known = min(length, size)
    re, im = parts[..., 0], parts[..., 1] if x.shape[-1] == 2 else np.zeros(parts.shape[:-1])
    # The other half of what a one-sided spectrum holds is its mirror; what neither holds is zero.
    beyond = [size - n for n in range(known, size)] if real and inverse else []
    rest = [np.where(m < length, part[..., min(m, length - 1)], F64(0)) for m in beyond for part in (re, -im)]
    re = np.concatenate([re[..., :known], *(part[..., None] for part in rest[::2])], -1)
    im = np.concatenate([im[..., :known], *(part[..., None] for part in rest[1::2])], -1)
    cosines, sines = turns(size)
    re, im = _transform(re, im, cosines, sines if inverse else -sines, count)
    scale = F64(1) / F64(size) if inverse else F64(1)
    y = (re * scale)[..., None] if real else np.stack([re * scale, im * scale], -1)
    return np.moveaxis(y, -2, axis).astype(x.dtype)


def stft(layer: Layer) -> Array:
    """A transform of each frame, multiplied by a window."""
    x, step, size = layer.x(0), int(layer.x(1).reshape(())), int(layer.node.attrs["size"])
    frames, count = layer.out.shape[1:3]
    parts = x.reshape(*x.shape[:2], -1).astype(F64)
    window = layer.x(2).astype(F64) if layer.has(2) else np.ones(size)
    taken = np.stack([parts[:, f * step : f * step + size] for f in range(frames)], 1)
    taken = taken * window[:, None]
    re = taken[..., 0]
    im = taken[..., 1] if parts.shape[-1] == 2 else np.zeros(re.shape)
    cosines, sines = turns(size)
    y = np.stack(_transform(re, im, cosines, -sines, count), -1)
    return y.astype(x.dtype).reshape(layer.out.shape)


OPERATORS: dict[str, Operator] = {"DFT": dft, "Det": det, "Einsum": einsum, "STFT": stft}
