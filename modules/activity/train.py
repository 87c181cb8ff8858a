"""Train the activity network and write everything that is committed next to this script.

    pip install '.[train]'
    python modules/activity/train.py            # fetches the data through pip download
    python modules/activity/train.py watch_dataset.npy

Writes ``activity.onnx``, ``calibration.npz`` and ``evaluation.npz``. Seeds are fixed and one thread is used.
The subjects of the test part take no part in any choice.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from dataset import CHANNELS, LABELS, WINDOW, Split, load
from torch import nn
from torch.nn.functional import cross_entropy

HERE = Path(__file__).resolve().parent
BATCH = 64
EPOCHS = 25
CALIBRATION_SAMPLES = 256


class ActivityNet(nn.Module):
    """Class scores of windows [n, 6, 64] as `Split` has them.

    Args:
        mean: Of each channel over the training windows [6].
        std: Likewise.
    """

    def __init__(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        super().__init__()
        self.standard = nn.BatchNorm1d(CHANNELS, affine=False, momentum=0.0)
        self.standard.running_mean.copy_(mean)
        self.standard.running_var.copy_(std**2)
        self.body = nn.Sequential(
            *_unit(CHANNELS, 24, kernel=5, stride=2),
            *_unit(24, 32, kernel=5, stride=2),
            *_unit(32, 48, kernel=3, stride=2),
            nn.Dropout(0.3),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(48, len(LABELS))

    def train(self, mode: bool = True) -> "ActivityNet":  # noqa: FBT001, FBT002 - as nn.Module has it
        """As usual, but the standardization never learns."""
        super().train(mode)
        self.standard.eval()
        return self

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """[n, 6, 64] → [n, 7]."""
        return self.head(self.body(self.standard(windows)))


def _unit(inputs: int, outputs: int, *, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return conv, nn.BatchNorm1d(outputs), nn.ReLU()


def turn(windows: torch.Tensor) -> torch.Tensor:
    """Turn each window's axes by a small random rotation: no two people wear a watch alike."""
    angles = torch.randn(len(windows), 3) * 0.2
    skew = torch.zeros(len(windows), 3, 3)
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = angles[:, 0], angles[:, 1], angles[:, 2]
    rotation = torch.linalg.matrix_exp(skew - skew.transpose(1, 2))
    return torch.cat([rotation @ windows[:, :3], rotation @ windows[:, 3:]], 1)


def train(data: Split) -> ActivityNet:
    """Train from scratch (AdamW, one-cycle schedule, label smoothing 0.1)."""
    torch.manual_seed(1)
    windows, labels = torch.from_numpy(data.windows).float(), torch.from_numpy(data.labels)
    network = ActivityNet(windows.mean((0, 2)), windows.std((0, 2))).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.05)
    steps = EPOCHS * -(-len(windows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(windows)).split(BATCH):
            loss = cross_entropy(network(turn(windows[rows])), labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def main() -> None:
    """Train, report and write all files."""
    parser = argparse.ArgumentParser(
        description="Train the activity network; writes all files of the project."
    )
    parser.add_argument("file", nargs="?", type=Path, help="watch_dataset.npy (default: fetch seglearn)")
    train_part, test = load(parser.parse_args().file)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    network = train(train_part)
    with torch.no_grad():
        scores = network(torch.from_numpy(test.windows).float()).numpy()
    right = scores.argmax(1) == test.labels
    print(
        f"test {right.mean():.2%} of {len(right)}, {sum(p.numel() for p in network.parameters())} parameters"
    )
    for label, name in enumerate(LABELS):
        print(f"    {name:<20} {right[test.labels == label].mean():.1%} of {(test.labels == label).sum()}")
    rows = np.sort(np.random.default_rng(0).permutation(len(train_part.windows))[:CALIBRATION_SAMPLES])
    np.savez_compressed(HERE / "calibration.npz", motion=train_part.windows[rows][:, None])
    np.savez_compressed(HERE / "evaluation.npz", motion=test.windows[:, None], label=test.labels)
    torch.onnx.export(
        network, (torch.zeros(1, CHANNELS, WINDOW),), HERE / "activity.onnx", dynamo=True,
        external_data=False, opset_version=18, input_names=["motion"], output_names=["score"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
