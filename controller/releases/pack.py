"""Cutting the modules of a build into the blobs of a release."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from controller.releases.golden import Arrays, Golden, Runner, record
from controller.releases.package import Blobs, Package
from protocol import cbor, chunks
from protocol.chunks import sha256
from protocol.documents import Chunk, GoldenCase, Manifest, Target
from protocol.errors import InputError
from protocol.module import ModuleMeta, check

if TYPE_CHECKING:  # A push from the cache packs nothing, and need not wait for the compiler's packages.
    from controller.compiler import Build, CompiledModule

GRAPH, SBOM, REVISION = "graph", "sbom", "revision"
"""In provenance: digests of the graph document and of the bill of materials; the revision of the project."""

CIRCUMSTANCES = frozenset({SBOM, REVISION})
"""What says where a build was made and not what is in it: the same bytes are the same release."""


def pack(build: "Build", samples: Sequence[Arrays], instantiate: Callable[[bytes], Runner]) -> Package:
    """Check, run and cut all modules.

    Args:
        build: From the compiler.
        samples: Real inputs for the golden test, at the modules' types.
        instantiate: Makes a module runnable, in reset state.

    Raises:
        ModuleError: a module that is not sound.
        TargetsDifferError: modules that do not agree on a golden case.
        InputError: nothing to pack.
    """
    if not build.modules:
        raise InputError(f"{build.name} {build.version} has no module to release")
    from controller.releases.sbom import bill  # noqa: PLC0415 - a third of a second, for those who pack

    blobs = Blobs()
    deadlines = dict.fromkeys(build.modules, build.project.limits.deadline_ms)
    targets = _cut(build.modules, samples, deadlines, instantiate, blobs)
    provenance = {**build.provenance, GRAPH: blobs.keep(build.graph).hex()}
    provenance[SBOM] = blobs.keep(bill(build, provenance, targets)).hex()
    content = Manifest(
        model=build.name,
        version=build.version,
        sequence=0,
        floor=0,
        classes=tuple(build.project.classes),
        provenance=sha256(cbor.encode({k: v for k, v in provenance.items() if k not in CIRCUMSTANCES})),
        targets=targets,
    )
    return Package(
        model=build.name,
        version=build.version,
        classes=content.classes,
        provenance=blobs.keep(cbor.encode(provenance)),
        targets=targets,
        blobs=blobs.by_digest,
        content=sha256(content.encode() + (b"confidential" if build.project.confidential else b"")),
        confidential=build.project.confidential,
    )


def cut(
    modules: Mapping[str, "CompiledModule"],
    samples: Sequence[Arrays],
    deadlines: Mapping[str, int],
    instantiate: Callable[[bytes], Runner],
) -> tuple[dict[str, Target], dict[bytes, bytes]]:
    """What a manifest says of modules, each checked and run on the samples, and the blobs of their indexes.

    Args:
        modules: By target.
        samples: Real inputs for the golden test, at the modules' types.
        deadlines: Of an inference, ms, by target.
        instantiate: Makes a module runnable, in reset state.

    Raises:
        ModuleError: a module that is not sound.
        TargetsDifferError: modules that do not agree on a golden case.
    """
    blobs = Blobs()
    return _cut(modules, samples, deadlines, instantiate, blobs), blobs.by_digest


def _cut(
    modules: Mapping[str, "CompiledModule"],
    samples: Sequence[Arrays],
    deadlines: Mapping[str, int],
    instantiate: Callable[[bytes], Runner],
    blobs: Blobs,
) -> dict[str, Target]:
    files = {target: (check(module.wasm), module.wasm) for target, module in sorted(modules.items())}
    golden = record(files, samples, instantiate)
    return {
        target: _target(modules[target], meta, deadlines[target], golden, blobs)
        for target, (meta, _) in files.items()
    }


def _input(data: bytes, most: int, blobs: Blobs) -> tuple[Chunk, ...]:
    """A golden input in pieces of at most `most` bytes."""
    pieces = (data[start : start + most] for start in range(0, len(data), most))
    return tuple(Chunk(digest=blobs.keep(piece), length=len(piece)) for piece in pieces)


def _target(
    module: "CompiledModule", meta: ModuleMeta, deadline: int, golden: Golden, blobs: Blobs
) -> Target:
    most = chunks.limit(module.target)
    pieces = chunks.cut(module.wasm, module.cuts, most)
    cases = [
        GoldenCase(outputs=case.outputs, seed=case.seed)
        if case.seed is not None
        else GoldenCase(outputs=case.outputs, inputs=_input(case.inputs, most, blobs))
        for case in golden.cases
    ]
    pages = chunks.build_index(pieces, cases, golden.traces[module.target], most)
    for blob in (*pieces, *pages):
        blobs.keep(blob)
    return Target(
        size=len(module.wasm),
        sha256=sha256(module.wasm),
        index=sha256(pages[0]),
        # A host of a later minor version runs it too; another major version promises nothing.
        abi=(meta.abi, meta.abi | 0xFFFF),
        memory=meta.memory,
        deadline=deadline,
    )
