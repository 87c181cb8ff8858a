"""Cutting the modules of a build into the blobs of a release."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from controller.releases.golden import Golden, Runner, record
from controller.releases.package import Package
from protocol import cbor, chunks
from protocol.chunks import sha256
from protocol.documents import Chunk, GoldenCase, Target
from protocol.errors import InputError
from protocol.module import ModuleMeta, check


@dataclass(frozen=True)
class Built:
    """One compiled module, as far as a release cares.

    Attributes:
        wasm: The file.
        cuts: Offsets at which tensors end; chunks end there too.
    """

    wasm: bytes
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """What a release is made of.

    Attributes:
        model: Name.
        version: Of the release.
        classes: Device classes that may run it.
        deadline_ms: Longest run of one inference.
        modules: By target.
        samples: Real inputs for the golden test; for each the module's input buffers, in order.
        provenance: Where it comes from, in strings.
        graph: The graph document.
    """

    model: str
    version: str
    classes: tuple[str, ...]
    deadline_ms: int
    modules: Mapping[str, Built]
    samples: Sequence[Sequence[bytes]]
    provenance: Mapping[str, str]
    graph: bytes


def pack(source: Source, instantiate: Callable[[bytes], Runner]) -> Package:
    """Check, run and cut all modules.

    Args:
        source: The build.
        instantiate: Makes a module runnable on this desk.

    Raises:
        ModuleError: a module that is not sound.
        TargetsDifferError: modules that do not agree on a golden case.
        InputError: nothing to pack.
    """
    if not source.modules:
        raise InputError(f"{source.model} {source.version} has no module to release")
    metas = {target: check(built.wasm) for target, built in source.modules.items()}
    golden = record(
        {
            target: (metas[target], partial(instantiate, built.wasm))
            for target, built in source.modules.items()
        },
        source.samples,
    )
    blobs = _Blobs()
    graph = blobs.keep(source.graph)
    provenance = cbor.encode({**source.provenance, "graph": f"sha256:{graph.hex()}"})
    targets = {
        target: _target(target, source, metas[target], golden, blobs) for target in sorted(source.modules)
    }
    return Package(
        source.model, source.version, source.classes, blobs.keep(provenance), targets, blobs.by_digest
    )


class _Blobs:
    """What a release refers to, by SHA-256."""

    def __init__(self) -> None:
        self.by_digest: dict[bytes, bytes] = {}

    def keep(self, data: bytes) -> bytes:
        """Add a blob and give its digest."""
        digest = sha256(data)
        self.by_digest[digest] = data
        return digest

    def keep_input(self, data: bytes, most: int) -> tuple[Chunk, ...]:
        """Add a golden input in pieces of at most `most` bytes."""
        pieces = (data[start : start + most] for start in range(0, len(data), most))
        return tuple(Chunk(digest=self.keep(piece), length=len(piece)) for piece in pieces)


def _target(name: str, source: Source, meta: ModuleMeta, golden: Golden, blobs: _Blobs) -> Target:
    built = source.modules[name]
    most = chunks.limit(name)
    pieces = chunks.cut(built.wasm, built.cuts, most)
    cases = [
        GoldenCase(outputs=case.outputs, seed=case.seed)
        if case.seed is not None
        else GoldenCase(outputs=case.outputs, inputs=blobs.keep_input(b"".join(case.inputs), most))
        for case in golden.cases
    ]
    pages = chunks.build_index(pieces, cases, golden.traces[name], most)
    for blob in (*pieces, *pages):
        blobs.keep(blob)
    return Target(
        size=len(built.wasm),
        sha256=sha256(built.wasm),
        index=sha256(pages[0]),
        # A host of a later minor version runs it too; another major version promises nothing.
        abi=(meta.abi, meta.abi | 0xFFFF),
        memory=meta.memory,
        deadline=source.deadline_ms,
    )
