"""Residual networks (He et al. 2016, "Deep Residual Learning")."""

from tests.bench.zoo.net import Net


def _block(net: Net, x: str, channels: int, stride: int) -> str:
    """Two 3x3 convolutions beside the identity, or beside a 1x1 convolution where shapes differ."""
    y = net.conv(net.conv(x, channels, 3, stride), channels, 3, act=None, gain=0.5)
    if net.shapes[x] != net.shapes[y]:
        x = net.conv(x, channels, 1, stride, act=None, gain=0.5)
    return net.act(net.add(x, y), "Relu")


def resnet8() -> Net:
    """Image classification of MLPerf Tiny: CIFAR-10, three blocks."""
    net = Net("resnet8", (1, 3, 32, 32), same=True)
    x = net.conv("x", 16, 3)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        x = _block(net, x, channels, stride)
    net.softmax(net.dense(net.flatten(net.mean(x)), 10))
    return net


def resnet18() -> Net:
    """ImageNet, eight blocks."""
    net = Net("resnet18", (1, 3, 224, 224))
    x = net.max_pool(net.conv("x", 64, 7, 2))
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = _block(net, _block(net, x, channels, stride), channels, 1)
    net.dense(net.flatten(net.mean(x)), 1000)
    return net
