"""Sliding windows: which input elements each output position of Conv and the pools meets.

One offset (kh, kw) inside the window meets, for a whole range of outputs, a strided range of the input;
positions outside the input belong to no range, so they are skipped and never added as zeros.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .document import Node
from .errors import DocumentError

Range = tuple[slice, slice]


def _meet(offset: int, stride: int, size_in: int, size_out: int) -> Range:
    """The outputs o in [0, size_out) with 0 <= o*stride + offset < size_in, and the inputs they meet."""
    first = max(0, -(offset // stride))
    last = min(size_out - 1, (size_in - 1 - offset) // stride)
    if first > last:
        return slice(0, 0), slice(0, 0)
    start = first * stride + offset
    return slice(first, last + 1), slice(start, last * stride + offset + 1, stride)


@dataclass(frozen=True)
class Offset:
    """One position inside the window: its indices, the outputs that meet the input there, and the input."""

    kh: int
    kw: int
    outputs: Range
    inputs: Range


@dataclass(frozen=True)
class Windows:
    """Window geometry of a 2-D operator; 1-D ones have a height of 1.

    ``pads`` is (top, left, bottom, right); sizes are (height, width).
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    size_in: tuple[int, int]
    size_out: tuple[int, int]

    @classmethod
    def of(cls, node: Node, size_in: tuple[int, ...], size_out: tuple[int, ...]) -> "Windows":
        """Read the attributes of ``node``; ``size_in`` and ``size_out`` are its spatial dimensions."""
        rank = len(size_in)
        kernel, strides = node.ints("kernel_shape"), node.ints("strides")
        pads, dilations = node.ints("pads"), node.ints("dilations")
        if rank == 1:
            kernel, strides, dilations = (1, *kernel), (1, *strides), (1, *dilations)
            pads, size_in, size_out = (0, pads[0], 0, pads[1]), (1, *size_in), (1, *size_out)
        if not len(kernel) == len(strides) == len(dilations) == len(size_in) == len(size_out) == 2:
            raise DocumentError(f"{node.name}: windows of {rank} dimensions; 1 and 2 are defined")
        return cls(
            (kernel[0], kernel[1]),
            (strides[0], strides[1]),
            (pads[0], pads[1], pads[2], pads[3]),
            (dilations[0], dilations[1]),
            (size_in[0], size_in[1]),
            (size_out[0], size_out[1]),
        )

    @classmethod
    def whole(cls, size_in: tuple[int, int]) -> "Windows":
        """One window over everything, as the global pools have it."""
        return cls(size_in, (1, 1), (0, 0, 0, 0), (1, 1), size_in, (1, 1))

    def padded(self) -> "Windows":
        """The same windows over the input extended by its pads."""
        top, left, bottom, right = self.pads
        size = (self.size_in[0] + top + bottom, self.size_in[1] + left + right)
        return Windows(self.kernel, self.strides, (0, 0, 0, 0), self.dilations, size, self.size_out)

    def __iter__(self) -> Iterator[Offset]:
        """All offsets, kh outermost."""
        for kh in range(self.kernel[0]):
            rows = self._axis(0, kh)
            for kw in range(self.kernel[1]):
                columns = self._axis(1, kw)
                yield Offset(kh, kw, (rows[0], columns[0]), (rows[1], columns[1]))

    def _axis(self, axis: int, index: int) -> Range:
        offset = index * self.dilations[axis] - self.pads[axis]
        return _meet(offset, self.strides[axis], self.size_in[axis], self.size_out[axis])
