"""Rebuilding a release from the graph it keeps: anyone gets the same bytes, or learns where not.

Quantization is not repeated: calibration runs the model in float32, whose sums differ between CPUs. What
comes after it, from the graph document to the last byte of every module, chunk and golden case, is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from controller.compiler import CompiledModule, Instance, Silent
from controller.compiler.emit import Header
from controller.compiler.emit.toolchain import toolchain_version
from controller.compiler.ir.document import decode
from controller.compiler.stages import compile_stage, compiler_digest
from controller.compiler.targets import find_target
from controller.releases.encrypt import encrypt_targets
from controller.releases.errors import EvidenceError
from controller.releases.golden import Arrays
from controller.releases.pack import CIRCUMSTANCES, GRAPH, cut
from protocol import cbor, chunks
from protocol.chunks import sha256
from protocol.confidential import Cipher, key_id, read_chunks
from protocol.documents import GoldenCase, Manifest, Target
from protocol.module import ModuleMeta, check
from protocol.trust import check_meta, check_module

Fetch = Callable[[bytes], bytes]
"""Gives the bytes for a SHA-256."""


@dataclass(frozen=True)
class Rebuilt:
    """One module of a release, and the same made here.

    Attributes:
        released: As the manifest has it.
        found: As it came out here.
        difference: Where they differ; None if they are equal, their golden cases too.
    """

    target: str
    released: Target
    found: Target
    difference: str | None


@dataclass(frozen=True)
class Rebuild:
    """A release, rebuilt.

    Attributes:
        modules: One for each target.
        golden: How many golden cases were run again.
        provenance: What the release says of its making.
        others: Of compiler and toolchain those that are others here: what it says, what is here.
    """

    modules: tuple[Rebuilt, ...]
    golden: int
    provenance: Mapping[str, str]
    others: Mapping[str, tuple[str, str]]

    @property
    def holds(self) -> bool:
        """Whether every byte is the same."""
        return all(module.difference is None for module in self.modules)


def rebuild(manifest: Manifest, fetch: Fetch, content_key: bytes | None = None) -> Rebuild:
    """Compile the graph of a release again and compare.

    Args:
        manifest: Whose signatures have been checked.
        fetch: Gives what the release keeps; what it gives is verified here.
        content_key: Of a release that is encrypted.

    Raises:
        EvidenceError: something that the release refers to is missing or not what it refers to.
        CompileError: the graph does not compile here.
    """
    evidence = _Evidence(manifest, fetch, content_key)
    released = {name: evidence.module(name, target) for name, target in manifest.targets.items()}
    made = {name: _compile(evidence.graph, meta) for name, (_, meta) in released.items()}
    deadlines = {name: target.deadline for name, target in manifest.targets.items()}
    meta = next(meta for _, meta in released.values())
    samples = list(evidence.samples(meta))
    found, blobs = cut(made, samples, deadlines, Instance)
    if content_key is not None:
        found, _ = encrypt_targets(found, blobs, content_key)
    modules = tuple(
        Rebuilt(
            name, target, found[name], _difference(target, found[name], released[name][0], made[name].wasm)
        )
        for name, target in manifest.targets.items()
    )
    here = {"compiler": compiler_digest(), "toolchain": toolchain_version()}
    said = evidence.provenance
    others = {key: (said.get(key, ""), value) for key, value in here.items() if said.get(key) != value}
    return Rebuild(modules, len(evidence.golden), said, others)


class _Evidence:
    """What a release keeps, each piece checked against the digest that names it."""

    def __init__(self, manifest: Manifest, fetch: Fetch, content_key: bytes | None) -> None:
        self._manifest = manifest
        self._fetch = fetch
        self._content_key = content_key
        if (key_id(content_key) if content_key is not None else None) != manifest.content_key:
            raise EvidenceError(
                f"{self._name} is encrypted under another content key than the controller gave"
            )
        document = cbor.decode(self.blob(manifest.provenance, "its provenance"))
        self.provenance = {str(key): str(value) for key, value in document.items()}
        if GRAPH not in self.provenance:
            raise EvidenceError(f"{self._name} does not say which graph it was compiled from")
        self.graph = self.blob(bytes.fromhex(self.provenance[GRAPH]), "its graph")
        self.golden: tuple[GoldenCase, ...] = ()
        self._inputs = b""

    @property
    def _name(self) -> str:
        return f"{self._manifest.model} {self._manifest.version}"

    def blob(self, digest: bytes, what: str) -> bytes:
        """The bytes of a digest."""
        data = self._fetch(digest)
        if sha256(data) != digest:
            raise EvidenceError(
                f"{self._name}: {what} is not what the release names",
                where=f"blob sha256:{digest.hex()}",
                remedy="the controller's store is damaged or was tampered with; compare with a copy of it",
            )
        return data

    def module(self, name: str, target: Target) -> tuple[bytes, ModuleMeta]:
        """The file of a target, put together."""
        index = chunks.index_of(
            self._manifest, name, lambda digest: self.blob(digest, f"an index page of {name}")
        )
        cipher = Cipher(self._content_key, name) if self._content_key is not None else None

        def chunk(digest: bytes) -> bytes:
            return self.blob(digest, f"a chunk of {name}")

        wasm = b"".join(read_chunks(index, "module", chunk, cipher))
        check_module(wasm, target)
        meta = check(wasm)
        check_meta(meta, self._manifest, name)
        told = {key: value for key, value in self.provenance.items() if key not in CIRCUMSTANCES}
        if meta.provenance != told:
            raise EvidenceError(f"{self._name}: the module for {name} names another origin than the release")
        self.golden = index.golden
        self._inputs = b"".join(read_chunks(index, "golden", chunk, cipher))
        return wasm, meta

    def samples(self, meta: ModuleMeta) -> Iterator[Arrays]:
        """Inputs of the golden cases that have some; the others make theirs of a seed."""
        at = 0
        for case in self.golden:
            if case.inputs is None:
                continue
            arrays = {}
            for tensor in meta.inputs:
                values = np.frombuffer(self._inputs, tensor.dtype, tensor.elements, at)
                arrays[tensor.name] = values.reshape(tensor.shape)
                at += tensor.nbytes
            yield arrays


def _compile(graph: bytes, meta: ModuleMeta) -> CompiledModule:
    labels = next((tensor.labels for tensor in meta.outputs if tensor.labels), ())
    header = Header(meta.name, meta.version, tuple(labels), meta.provenance)
    return compile_stage(decode(graph), find_target(meta.target), header, Silent())


def _difference(released: Target, found: Target, wasm: bytes, made: bytes) -> str | None:
    if found.sha256 != released.sha256:
        at = next((i for i, (a, b) in enumerate(zip(wasm, made, strict=False)) if a != b), len(made))
        return f"{len(made):,} bytes instead of {len(wasm):,}, different from byte {at:,} on"
    if found.index != released.index:
        return "the same module, but other golden outputs or chunks"
    if found != released:
        return "the same module, but another ABI range, memory or deadline in the manifest"
    return None
