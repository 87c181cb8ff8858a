"""The three MobileNets."""

from tests.bench.zoo.net import Net


def rounded(channels: float, minimum: int = 8) -> int:
    """The nearest multiple of 8, at least nine tenths of what was asked for."""
    result = max(minimum, int(channels + 4) // 8 * 8)
    return result + 8 if result < 0.9 * channels else result


def mobilenet_v1(width: float, size: int, classes: int) -> Net:
    """Howard et al. 2017, "MobileNets"; width 0.25 at 96x96 is the visual wake words of MLPerf Tiny."""
    net = Net("mobilenet_v1", (1, 3, size, size), same=True)
    x = net.conv("x", round(32 * width), 3, 2)
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for channels, stride in rows:
        x = net.conv(net.depthwise(x, 3, stride), round(channels * width), 1)
    net.softmax(net.dense(net.flatten(net.mean(x)), classes))
    return net


def mobilenet_v2() -> Net:
    """Sandler et al. 2018, "MobileNetV2", width 1.0 at 224x224."""
    net = Net("mobilenet_v2", (1, 3, 224, 224))
    x = net.conv("x", 32, 3, 2, act="Relu6")
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2)]
    for expand, channels, count, stride in [*rows, (6, 320, 1, 1)]:
        for index in range(count):
            x = inverted_residual(net, x, expand, channels, stride=stride if index == 0 else 1)
    x = net.conv(x, 1280, 1, act="Relu6")
    net.dense(net.flatten(net.mean(x)), 1000)
    return net


def inverted_residual(net: Net, x: str, expand: int, channels: int, *, stride: int, kernel: int = 3) -> str:
    """Expand, filter each channel, project; beside the identity where shapes allow."""
    depth = net.shapes[x][1]
    y = net.conv(x, depth * expand, 1, act="Relu6") if expand > 1 else x
    y = net.conv(net.depthwise(y, kernel, stride, "Relu6"), channels, 1, act=None, gain=0.5)
    return net.add(x, y) if net.shapes[x] == net.shapes[y] else y


# Kernel, expanded channels, output channels, squeeze-and-excitation, activation, stride.
_V3_SMALL = (
    (3, 16, 16, True, "Relu", 2),
    (3, 72, 24, False, "Relu", 2),
    (3, 88, 24, False, "Relu", 1),
    (5, 96, 40, True, "HardSwish", 2),
    (5, 240, 40, True, "HardSwish", 1),
    (5, 240, 40, True, "HardSwish", 1),
    (5, 120, 48, True, "HardSwish", 1),
    (5, 144, 48, True, "HardSwish", 1),
    (5, 288, 96, True, "HardSwish", 2),
    (5, 576, 96, True, "HardSwish", 1),
    (5, 576, 96, True, "HardSwish", 1),
)


def mobilenet_v3_small(size: int) -> Net:
    """Howard et al. 2019, "Searching for MobileNetV3", small, width 1.0."""
    net = Net("mobilenet_v3_small", (1, 3, size, size))
    x = net.conv("x", 16, 3, 2, act="HardSwish")
    for kernel, expanded, channels, excite, act, stride in _V3_SMALL:
        y = net.conv(x, expanded, 1, act=act) if expanded != net.shapes[x][1] else x
        y = net.depthwise(y, kernel, stride, act)
        if excite:
            y = _squeeze_and_excite(net, y)
        y = net.conv(y, channels, 1, act=None, gain=0.7)
        x = net.add(x, y) if net.shapes[x] == net.shapes[y] else y
    x = net.conv(x, 576, 1, act="HardSwish")
    net.dense(net.dense(net.flatten(net.mean(x)), 1024, "HardSwish"), 1000)
    return net


def _squeeze_and_excite(net: Net, x: str) -> str:
    """Hu et al. 2018, "Squeeze-and-Excitation Networks", with a piecewise linear sigmoid."""
    channels = net.shapes[x][1]
    squeezed = net.conv(net.mean(x), rounded(channels / 4), 1)
    factors = net.conv(squeezed, channels, 1, act=None)
    return net.scale(x, net.node("HardSigmoid", net.shapes[factors], factors, alpha=1 / 6, beta=0.5))
