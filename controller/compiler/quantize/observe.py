"""Runs the float model on calibration data and keeps a histogram of every value that the graph still has."""

from controller.compiler.frontend import Source
from controller.compiler.ir import FLOAT, Graph
from controller.compiler.progress import Progress
from controller.compiler.quantize.histogram import Histogram
from controller.compiler.reference import FloatModel
from controller.compiler.samples import Samples


def observe(source: Source, graph: Graph, samples: Samples, progress: Progress) -> dict[str, Histogram]:
    """Histograms by tensor name.

    Passes keep the names of the ONNX values that survive them, so the original model tells their
    ranges. A tensor that a pass made has no histogram.
    """
    wanted = [t.name for t in graph.tensors.values() if t.dtype == FLOAT and not t.is_constant]
    model = FloatModel(source, graph, wanted)
    histograms = {name: Histogram() for name in wanted if name in graph.inputs or name in model.names}
    for done, sample in enumerate(samples, start=1):
        values = {**sample, **model.run(sample)}
        for name, histogram in histograms.items():
            histogram.add(values[name])
        progress.advance("calibrate", done, len(samples))
    return {name: histogram for name, histogram in histograms.items() if not histogram.empty}
