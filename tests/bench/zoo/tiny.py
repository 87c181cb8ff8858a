"""Two of MLPerf Tiny (Banbury et al. 2021, "MLPerf Tiny Benchmark"): keyword spotting, anomaly detection."""

from tests.bench.zoo.net import Net


def ds_cnn() -> Net:
    """Keyword spotting on 49 frames of 10 MFCCs (Zhang et al. 2017, "Hello Edge", DS-CNN S)."""
    net = Net("ds_cnn", (1, 1, 49, 10), same=True)
    x = net.conv("x", 64, (10, 4), 2)
    for _ in range(4):
        x = net.conv(net.depthwise(x), 64, 1)
    net.softmax(net.dense(net.flatten(net.mean(x)), 12))
    return net


def autoencoder() -> Net:
    """Anomaly detection on 5 frames of 128 mel bands."""
    net = Net("autoencoder", (1, 640))
    x = "x"
    for features in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = net.dense(x, features, "Relu")
    net.dense(x, 640)
    return net
