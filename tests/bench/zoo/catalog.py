"""Every model of the benchmarks by name, with the multiply-accumulates that its publication states."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.bench.zoo.efficientnet import efficientnet_lite0
from tests.bench.zoo.mobilenet import mobilenet_v1, mobilenet_v2, mobilenet_v3_small
from tests.bench.zoo.net import Net
from tests.bench.zoo.resnet import resnet8, resnet18
from tests.bench.zoo.tiny import autoencoder, ds_cnn


@dataclass(frozen=True)
class Entry:
    """One model.

    Attributes:
        build: Makes it.
        mmac: Millions of multiply-accumulates of one inference.
    """

    build: Callable[[], Net]
    mmac: float


TINY = ("ds_cnn", "vww", "resnet8", "autoencoder")
"""The four of MLPerf Tiny."""

MODELS = {
    "ds_cnn": Entry(ds_cnn, 2.66),
    "vww": Entry(partial(mobilenet_v1, 0.25, 96, 2), 7.49),
    "resnet8": Entry(resnet8, 12.5),
    "autoencoder": Entry(autoencoder, 0.264),
    "mobilenetv2": Entry(mobilenet_v2, 301),
    "resnet18": Entry(resnet18, 1814),
    "efficientnet_lite0": Entry(efficientnet_lite0, 385),
    "mobilenetv3": Entry(partial(mobilenet_v3_small, 224), 56.5),
    "mobilenetv3_512": Entry(partial(mobilenet_v3_small, 512), 287),
}
