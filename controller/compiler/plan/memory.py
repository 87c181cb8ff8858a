"""How tensors lie in memory: strides, and loops over them."""

from collections.abc import Sequence

from controller.compiler.ir import Shape, Tensor
from controller.compiler.plan.steps import Params

MAX_RANK = 6


def strides(shape: Shape, order: Sequence[int]) -> tuple[int, ...]:
    """Distance in elements between neighbours along each dimension, for dense memory in `order`."""
    result, step = [0] * len(shape), 1
    for dim in reversed(order):
        result[dim] = step
        step *= shape[dim]
    return tuple(result)


def tensor_strides(tensor: Tensor) -> tuple[int, ...]:
    """Strides of a tensor by dimension."""
    return strides(tensor.shape, tensor.memory)


def broadcast_strides(tensor: Tensor, shape: Shape) -> tuple[int, ...]:
    """Strides of a tensor by dimension of a shape it is broadcast to; 0 where it repeats."""
    missing = len(shape) - len(tensor.shape)
    own = (0,) * missing + tensor_strides(tensor)
    sizes = (1,) * missing + tensor.shape
    return tuple(0 if size == 1 else step for size, step in zip(sizes, own, strict=True))


def loops(
    shape: Shape, order: Sequence[int], walks: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """The fewest nested loops that walk over `shape`.

    Args:
        shape: Sizes by dimension.
        order: Dimensions, outermost loop first.
        walks: For each operand its strides by dimension.

    Returns:
        Sizes of the loops, outermost first, at least one; and for each operand its strides.
    """
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in walks]
    for dim in order:
        if shape[dim] == 1:
            continue
        if sizes and all(s[-1] == w[dim] * shape[dim] for s, w in zip(steps, walks, strict=True)):
            sizes[-1] *= shape[dim]
            for s, w in zip(steps, walks, strict=True):
                s[-1] = w[dim]
        else:
            sizes.append(shape[dim])
            for s, w in zip(steps, walks, strict=True):
                s.append(w[dim])
    if not sizes:
        return [1], [[1] for _ in walks]
    return sizes, steps


def strided_copy_params(
    element_bytes: int, sizes: Sequence[int], in_stride: Sequence[int], out_stride: Sequence[int]
) -> Params:
    """Parameters of `fleet_strided_copy`."""
    return {
        "element_bytes": element_bytes,
        "rank": len(sizes),
        "shape": list(sizes),
        "in_stride": list(in_stride),
        "out_stride": list(out_stride),
    }
