"""Train the crop model and write everything that is committed next to this script.

    pip install '.[train]'
    python modules/crop-model/train.py            # fetches the data through apt-get download
    python modules/crop-model/train.py Satellite.rda

Writes ``versions/{1.0.0,1.1.0,1.2.0}.onnx``, ``calibration.npz`` and ``evaluation.npz``. Seeds are fixed and
one thread is used, so the same torch on the same kind of CPU gives the same files. The test rows take no
part in any choice: hyperparameters were set on 900 held-out training rows, then all 4,435 were used.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from dataset import LABELS, Split, load
from export import to_onnx
from network import CropNet
from onnx.reference import ReferenceEvaluator
from torch.nn.functional import cross_entropy

HERE = Path(__file__).resolve().parent
BATCH = 64
CALIBRATION_SAMPLES = 512


def turn(images: torch.Tensor, symmetry: int) -> torch.Tensor:
    """One of the eight symmetries of the square, 0..7; a field has no upright."""
    turned = torch.rot90(images, symmetry % 4, (2, 3))
    return turned.flip(3) if symmetry >= 4 else turned


def train(data: Split, *, seed: int, epochs: int, augment: bool) -> CropNet:
    """Train a network from scratch (AdamW, one-cycle schedule, label smoothing 0.05)."""
    torch.manual_seed(seed)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    network = CropNet(images.mean((0, 2, 3)), images.std((0, 2, 3)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.05)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(BATCH):
            batch = images[rows]
            if augment:
                batch = turn(batch, int(torch.randint(8, ())))
            loss = cross_entropy(network(batch), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def refit_head(network: CropNet, data: Split, *, seed: int, epochs: int) -> CropNet:
    """Train a new head on the frozen body, weighting classes by the root of their rarity.

    Only ``head.weight`` and ``head.bias`` of the returned network differ from ``network``.
    """
    torch.manual_seed(seed)
    labels = torch.from_numpy(data.labels)
    rarity = len(labels) / torch.bincount(labels).float()
    fitted = CropNet(network.mean, network.std).eval()
    fitted.load_state_dict(network.state_dict())
    with torch.no_grad():
        features = torch.cat([network.body(turn(torch.from_numpy(data.images), k)) for k in range(8)])
    targets = labels.repeat(8)
    optimizer = torch.optim.AdamW(fitted.head.parameters(), lr=2e-3, weight_decay=0.05)
    for _ in range(epochs):
        for rows in torch.randperm(len(features)).split(512):
            loss = cross_entropy(
                fitted.head(features[rows]), targets[rows], rarity.sqrt(), label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return fitted


def report(version: str, network: CropNet, model: onnx.ModelProto, test: Split) -> None:
    """Print accuracy, in all and by class, of the network, and check that the export computes the same."""
    with torch.no_grad():
        probabilities = torch.softmax(network(torch.from_numpy(test.images)), 1).numpy()
    evaluator = ReferenceEvaluator(model)
    for index in range(16):
        (exported,) = evaluator.run(None, {"image": test.images[index : index + 1]})
        np.testing.assert_allclose(exported, probabilities[index : index + 1], atol=2e-5)
    right = probabilities.argmax(1) == test.labels
    recalls = [right[test.labels == k].mean() for k in range(len(LABELS))]
    print(f"{version}  test {right.mean():.2%}  mean of classes {np.mean(recalls):.2%}")
    for label, recall in zip(LABELS, recalls, strict=True):
        print(f"    {label:<20} {recall:.1%}")


def write_samples(train_part: Split, test: Split) -> None:
    """Write ``calibration.npz`` (512 training images) and ``evaluation.npz`` (the test part)."""
    rows = np.sort(np.random.default_rng(0).permutation(len(train_part.images))[:CALIBRATION_SAMPLES])
    np.savez_compressed(HERE / "calibration.npz", image=train_part.images[rows][:, None])
    np.savez_compressed(HERE / "evaluation.npz", image=test.images[:, None], label=test.labels)


def main() -> None:
    """Train the three versions and write all files."""
    parser = argparse.ArgumentParser(
        description="Train the crop model; writes versions/, calibration.npz, evaluation.npz."
    )
    parser.add_argument(
        "rda", nargs="?", type=Path, help="mlbench's Satellite.rda (default: fetch it from Debian)"
    )
    train_part, test = load(parser.parse_args().rda)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    write_samples(train_part, test)
    first = train(train_part, seed=1, epochs=60, augment=False)
    second = train(train_part, seed=2, epochs=80, augment=True)
    third = refit_head(second, train_part, seed=3, epochs=20)
    for version, network in (("1.0.0", first), ("1.1.0", second), ("1.2.0", third)):
        model = to_onnx(network)
        onnx.save(model, HERE / "versions" / f"{version}.onnx")
        report(version, network, model, test)


if __name__ == "__main__":
    main()
