"""A release that only its devices can read: every chunk encrypted, and the index made anew."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from controller.releases.package import Blobs, Package
from protocol import chunks
from protocol.chunks import sha256
from protocol.confidential import Cipher, key_id
from protocol.documents import Chunk, GoldenCase, Target


def encrypt(package: Package, content_key: bytes) -> Package:
    """A package under its content key; the same key gives the same bytes.

    Args:
        package: In the clear.
        content_key: 32 bytes, for this content and nothing else ever.
    """
    targets, blobs = encrypt_targets(package.targets, package.blobs, content_key)
    return replace(package, targets=targets, blobs=blobs, content_key=key_id(content_key))


def encrypt_targets(
    targets: Mapping[str, Target], blobs: Mapping[bytes, bytes], content_key: bytes
) -> tuple[dict[str, Target], dict[bytes, bytes]]:
    """Targets whose indexes name encrypted chunks, and all blobs, with these in place of those in the clear.

    Documents that no index names, like provenance and graph, stay as they are: no broker is given them.
    """
    replaced: set[bytes] = set()

    def take(digest: bytes) -> bytes:
        replaced.add(digest)
        return blobs[digest]

    made = Blobs()
    found = {
        name: _encrypt(name, target, take, Cipher(content_key, name), made)
        for name, target in targets.items()
    }
    kept = {digest: blob for digest, blob in blobs.items() if digest not in replaced}
    return found, kept | made.by_digest


def _encrypt(
    name: str, target: Target, take: Callable[[bytes], bytes], cipher: Cipher, made: Blobs
) -> Target:
    index = chunks.read_index(target.index, take, name, target.size)
    pieces = [cipher.encrypt("module", n, take(chunk.digest)) for n, chunk in enumerate(index.of("module"))]
    inputs = (cipher.encrypt("golden", n, take(chunk.digest)) for n, chunk in enumerate(index.of("golden")))

    def sealed(case: GoldenCase) -> GoldenCase:
        if case.inputs is None:
            return case
        data = [next(inputs) for _ in case.inputs]
        renamed = tuple(Chunk(digest=made.keep(piece), length=len(piece)) for piece in data)
        return case.model_copy(update={"inputs": renamed})

    pages = chunks.build_index(
        pieces, [sealed(case) for case in index.golden], index.trace, chunks.limit(name)
    )
    for blob in (*pieces, *pages):
        made.keep(blob)
    return target.model_copy(update={"index": sha256(pages[0])})
