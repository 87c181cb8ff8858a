"""Runs the float model on calibration data and keeps of every tensor what quantization must know."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from controller.compiler.frontend import Source
from controller.compiler.ir import FLOAT, Array, Graph
from controller.compiler.progress import Progress
from controller.compiler.quantize.histogram import Histogram
from controller.compiler.quantize.means import ChannelMeans, channel_axes
from controller.compiler.quantize.ranges import METHODS, Range
from controller.compiler.reference import FloatModel
from controller.compiler.samples import Samples


@dataclass(frozen=True)
class Calibration:
    """What calibration data told.

    Attributes:
        ranges: Of reals that an int8 tensor shall stand for, by tensor.
        means: float64 [channels] of the tensors that products read.
    """

    ranges: Mapping[str, Range]
    means: Mapping[str, Array] = field(default_factory=dict)


def calibrate(  # noqa: PLR0913 - the model, the data, and how to look at it
    source: Source,
    graph: Graph,
    samples: Samples,
    method: str,
    progress: Progress,
    *,
    divisors: Mapping[str, Array] | None = None,
) -> Calibration:
    """Observe the float model, one sample after the other, in memory that does not grow with their number.

    Passes keep the names of the ONNX values that survive them, so the original model tells their
    ranges. A tensor that a pass made, or that was not finite throughout, has none.

    Args:
        source: The model as it came.
        graph: After the float passes.
        samples: One after the other.
        method: A key of `ranges.METHODS`.
        progress: Told of each sample.
        divisors: For tensors of the graph that are smaller than the ONNX value of that name by a factor for
            each channel (axis 1): these factors.
    """
    wanted = [t.name for t in graph.tensors.values() if t.dtype == FLOAT and not t.is_constant]
    model = FloatModel(source, graph, wanted)
    histograms = {name: Histogram() for name in wanted if name in graph.inputs or name in model.names}
    means = {name: ChannelMeans(axis) for name, axis in channel_axes(graph).items() if name in histograms}
    for done, sample in enumerate(samples, start=1):
        values = {**sample, **model.run(sample)}
        for name, histogram in histograms.items():
            value = np.asarray(values[name])
            if divisors is not None and name in divisors:
                value = value / divisors[name].reshape(-1, *(1,) * (value.ndim - 2))
            histogram.add(value)
            if name in means:
                means[name].add(value)
        progress.advance("calibrate", done, len(samples))
    finite = {name: h for name, h in histograms.items() if not h.empty and not h.nonfinite}
    return Calibration(
        {name: METHODS[method](histogram) for name, histogram in finite.items()},
        {name: m.value for name, m in means.items() if m.value is not None},
    )
