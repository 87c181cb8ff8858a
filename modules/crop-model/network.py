"""The network: one spectral and two spatial convolutions, then a linear head.

    image [1,4,3,3] ─ spectral: Conv 1x1 4→32 ─ spatial: Conv 3x3 32→32, residual ─ context: Conv 3x3 32→48
    without padding, so that nine pixels become one ─ head: Gemm 48→6 ─ Softmax

Every convolution is followed by BatchNormalization and Relu.
"""

import torch
from torch import nn

CLASSES = 6


class Unit(nn.Module):
    """Convolution, batch normalisation, an optional residual sum, Relu."""

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel: int, padding: int, residual: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, channels_in, h, w] → [n, channels_out, h', w']."""
        y = self.bn(self.conv(x))
        return torch.relu(x + y if self.residual else y)


class CropNet(nn.Module):
    """Class scores (logits) of the central pixel of a 3x3 neighbourhood.

    Args:
        mean: Mean of each band over the training images [4].
        std: Standard deviation of each band [4]. Training sees standardised bands; the export folds
            both into the first layer, so that the deployed network takes plain digital numbers / 255.
    """

    def __init__(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.reshape(1, -1, 1, 1))
        self.register_buffer("std", std.reshape(1, -1, 1, 1))
        self.spectral = Unit(4, 32, kernel=1, padding=0)
        self.spatial = Unit(32, 32, kernel=3, padding=1, residual=True)
        self.context = Unit(32, 48, kernel=3, padding=0)
        self.head = nn.Linear(48, CLASSES)
        self.dropout = nn.Dropout(0.2)

    def body(self, images: torch.Tensor) -> torch.Tensor:
        """Images [n,4,3,3] → features [n,48]."""
        x = (images - self.mean) / self.std
        return self.context(self.spatial(self.spectral(x))).flatten(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images [n,4,3,3] → logits [n,6]."""
        return self.head(self.dropout(self.body(images)))
