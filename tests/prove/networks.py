"""The networks of the field in PyTorch, with random weights; runs where torch and timm are installed.

`python networks.py FOLDER` exports each to `FOLDER/NAME.onnx`, and writes inputs and outputs of one
inference to `FOLDER/NAME.npz`. The factories are also what `fleet compile networks:ds_cnn` is given.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

SEED = 7


def _ready(module, *example):
    """The module in inference mode, its batch statistics from real activations, and its example inputs."""
    torch.manual_seed(SEED)
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(*(torch.randn_like(x) if x.is_floating_point() else x for x in example))
    return module.eval(), example


def _timm(name, size=224):
    torch.manual_seed(SEED)
    return _ready(timm.create_model(name, pretrained=False), torch.randn(1, 3, size, size))


def resnet18():
    return _timm("resnet18")


def mobilenet_v2():
    return _timm("mobilenetv2_100")


def mobilenet_v3():
    return _timm("mobilenetv3_small_100")


def mobilenet_v3_large():
    return _timm("mobilenetv3_large_100")


def efficientnet_lite0():
    return _timm("efficientnet_lite0")


class DepthwiseSeparable(nn.Sequential):
    def __init__(self, channels):
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


def ds_cnn():
    """Keyword spotting as in MLPerf Tiny: 49 frames of 10 coefficients, 12 words."""
    torch.manual_seed(SEED)
    body = nn.Sequential(
        nn.Conv2d(1, 64, (10, 4), stride=2, padding=(5, 1), bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Dropout(0.2),
        *(DepthwiseSeparable(64) for _ in range(4)),
        nn.Dropout(0.4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 12),
        nn.Softmax(dim=-1),
    )
    return _ready(body, torch.randn(1, 1, 49, 10))


def _twice(inside, outside):
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(),
        nn.Conv2d(outside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(),
    )  # fmt: skip


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.middle = _twice(3, 16), _twice(16, 32), _twice(32, 64)
        self.up2, self.right2 = nn.ConvTranspose2d(64, 32, 2, stride=2), _twice(64, 32)
        self.up1, self.right1 = nn.Upsample(scale_factor=2, mode="bilinear"), _twice(48, 16)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, image):
        first = self.down1(image)
        second = self.down2(nn.functional.max_pool2d(first, 2))
        low = self.middle(nn.functional.max_pool2d(second, 2))
        high = self.right2(torch.cat([self.up2(low), second], 1))
        return torch.sigmoid(self.head(self.right1(torch.cat([self.up1(high), first], 1))))


def u_net():
    torch.manual_seed(SEED)
    return _ready(UNet(), torch.randn(1, 3, 64, 64))


def transformer():
    torch.manual_seed(SEED)
    layer = nn.TransformerEncoderLayer(64, 4, 128, activation="gelu", batch_first=True, norm_first=True)
    return _ready(layer, torch.randn(1, 32, 64))


class Attention(nn.Module):
    """Token embedding, causal attention, a feed-forward network; as language models are written."""

    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(100, 48), nn.Parameter(torch.randn(16, 48))
        self.norm, self.qkv, self.out = nn.LayerNorm(48), nn.Linear(48, 144), nn.Linear(48, 48)
        self.head = nn.Linear(48, 100, bias=False)

    def forward(self, ids):
        x = self.tokens(ids) + self.places
        q, k, v = (
            part.reshape(1, 16, 4, 12).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, dim=-1)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(x + self.out(mixed.transpose(1, 2).reshape(1, 16, 48)))


def causal_attention():
    torch.manual_seed(SEED)
    return _ready(Attention(), torch.randint(0, 100, (1, 16)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(20, 32, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, 5)

    def forward(self, series):
        states, _ = self.lstm(series)
        return self.head(states[:, -1])


def lstm():
    torch.manual_seed(SEED)
    return _ready(Recurrent(), torch.randn(1, 24, 20))


def gru():
    torch.manual_seed(SEED)
    module = nn.GRU(8, 16, batch_first=True)
    return _ready(module, torch.randn(1, 12, 8))


NETWORKS = (
    resnet18, mobilenet_v2, mobilenet_v3, mobilenet_v3_large, efficientnet_lite0, ds_cnn, u_net, transformer,
    causal_attention, lstm, gru,
)  # fmt: skip


def main(folder):
    """Export all."""
    warnings.simplefilter("ignore")
    for factory in NETWORKS:
        module, example = factory()
        with torch.no_grad():
            answers = module(*example)
            program = torch.onnx.export(module, example, dynamo=True, verbose=False)
        model = program.model_proto
        given = dict(zip([v.name for v in model.graph.input], example, strict=True))
        flat = torch.utils._pytree.tree_leaves(answers)
        made = dict(zip([v.name for v in model.graph.output], flat, strict=True))
        arrays = {f"in:{n}": x.numpy() for n, x in given.items()} | {
            f"out:{n}": x.numpy() for n, x in made.items()
        }
        np.savez(folder / f"{factory.__name__}.npz", **arrays)
        program.save(folder / f"{factory.__name__}.onnx", external_data=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
