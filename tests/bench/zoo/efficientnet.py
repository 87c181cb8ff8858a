"""EfficientNet-Lite (Tan & Le 2019, "EfficientNet", without squeeze-and-excitation, Relu6 throughout)."""

from tests.bench.zoo.mobilenet import inverted_residual
from tests.bench.zoo.net import Net

# Expansion, channels, count, stride, kernel.
_LITE0 = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet_lite0() -> Net:
    """224x224."""
    net = Net("efficientnet_lite0", (1, 3, 224, 224), same=True)
    x = net.conv("x", 32, 3, 2, act="Relu6")
    for expand, channels, count, stride, kernel in _LITE0:
        for index in range(count):
            step = stride if index == 0 else 1
            x = inverted_residual(net, x, expand, channels, stride=step, kernel=kernel)
    x = net.conv(x, 1280, 1, act="Relu6")
    net.dense(net.flatten(net.mean(x)), 1000)
    return net
