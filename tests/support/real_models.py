"""The models of this repository as releases for tests of the agent, built as `fleet push` would."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from controller.cli.making import package_for
from controller.compiler import ModelProject
from controller.compiler.progress import Silent
from controller.compiler.source import onnx_file
from device_agent.runner.engine import Engine
from device_agent.runner.tensor import Tensor
from protocol import cose
from protocol.chunks import read_index, sha256
from protocol.keys import SoftwareKey
from protocol.module import read_meta
from protocol.trust import MANIFEST
from tests.support.director import Built

MODULES = Path(__file__).parents[2] / "modules"
MODELS = ("crop-model", "text-direction")
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
"""Of crop-model these are three trainings; of text-direction the network as it is, and with weights that
differ by one and two per mille."""

TARGET = "simd"


@dataclass(frozen=True)
class Sample:
    """One input as a client sends it, and the answer of one release to it."""

    name: str
    shape: tuple[int, ...]
    values: list[float]
    answer: list[float]


def _project(model: str, version: str, folder: Path) -> Path:
    """A copy of a model's project under another version."""
    target = folder / version / model
    shutil.copytree(MODULES / model, target)
    path = target / "model.toml"
    text = re.sub(r'(?m)^version = ".*"', f'version = "{version}"', path.read_text())
    if model == "text-direction" and version != VERSIONS[0]:
        original = onnx_file(ModelProject.load(target), Silent())
        _perturb(original, target / f"{version}.onnx", VERSIONS.index(version))
        text = f'onnx = "{version}.onnx"\n' + re.sub(r"(?ms)^\[source\].*?(?=^\[)", "", text)
    path.write_text(re.sub(r'(?m)^onnx = "versions/.*"', f'onnx = "versions/{version}.onnx"', text))
    return target


def _perturb(source: Path, target: Path, per_mille: int) -> None:
    """Scale every weight a little, so that no chunk of weights is the same."""
    network = onnx.load(source)
    for tensor in network.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 4:
            scaled = values * np.float32(1 + per_mille / 1000)
            tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))
    onnx.save(network, target)


def build_release(
    model: str, version: str, folder: Path, signer: SoftwareKey, sequence: int
) -> tuple[Built, Sample]:
    """A signed release of one of the models, from the build cache if it was built before."""
    built = release_of(model, _project(model, version, folder), signer, sequence)
    return built, _sample(built.chunks, built.blobs)


def release_of(model: str, folder: Path, signer: SoftwareKey, sequence: int) -> Built:
    """A signed release of a model project."""
    package = package_for(model, folder)
    manifest = package.manifest(sequence, 0)
    target = manifest.targets[TARGET]
    index = read_index(target.index, package.blobs.__getitem__, TARGET, target.size)
    return Built(
        digest=sha256(manifest.encode()),
        manifest=manifest,
        signed=cose.sign(MANIFEST, manifest.encode(), [signer]),
        blobs=dict(package.blobs),
        chunks=tuple(chunk.digest for chunk in index.chunks),
    )


def _sample(chunks: tuple[bytes, ...], blobs: Mapping[bytes, bytes]) -> Sample:
    """Run the module once, without an agent."""
    wasm = b"".join(blobs[digest] for digest in chunks)
    meta = read_meta(wasm)
    tensors = {
        side: [Tensor(t.name, t.dtype, t.shape, t.scale, t.zero_point or 0) for t in metas]
        for side, metas in (("inputs", meta.inputs), ("outputs", meta.outputs))
    }
    (tensor,), (output,) = meta.inputs, meta.outputs
    values = np.random.default_rng(5).random(tensor.elements, np.float32)
    answer = Engine(wasm, None, tensors, []).run({tensor.name: values.tobytes()}, reset=False)
    floats = np.frombuffer(answer[output.name].data, "<f4").tolist()
    return Sample(tensor.name, tensor.shape, values.tolist(), floats)
