"""A release before it has its number: what the manifest will list, and every blob it refers to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from protocol import cbor
from protocol.chunks import sha256
from protocol.documents import Manifest, Target
from protocol.errors import InputError

FORMAT = 2
MAX_PACKAGE = 1 << 30


class DamagedPackageError(InputError):
    """A cached package that is not what was written."""


class Blobs:
    """What a release refers to, by SHA-256."""

    def __init__(self) -> None:
        self.by_digest: dict[bytes, bytes] = {}

    def keep(self, data: bytes) -> bytes:
        """Add a blob and give its digest."""
        digest = sha256(data)
        self.by_digest[digest] = data
        return digest


@dataclass(frozen=True)
class Package:
    """The content of a release, addressed by digests. The same build makes the same package.

    Attributes:
        model: Name.
        version: From `model.toml`.
        classes: Device classes that may run it.
        provenance: Digest of the provenance document.
        targets: One module each.
        blobs: By SHA-256: chunks, index pages, golden inputs, provenance and graph documents.
        content: SHA-256 over what devices will run; the same for builds of the same at two places.
        confidential: Whether it is to be released encrypted.
        content_key: Id of the key that the chunks are encrypted under; None while they are in the clear.
    """

    model: str
    version: str
    classes: tuple[str, ...]
    provenance: bytes
    targets: Mapping[str, Target]
    blobs: Mapping[bytes, bytes]
    content: bytes
    confidential: bool = False
    content_key: bytes | None = None

    def manifest(self, sequence: int, floor: int) -> Manifest:
        """The manifest under the numbers that the controller reserved."""
        return Manifest(
            model=self.model,
            version=self.version,
            sequence=sequence,
            floor=floor,
            classes=self.classes,
            provenance=self.provenance,
            targets=dict(self.targets),
            content_key=self.content_key,
        )

    def encode(self) -> bytes:
        """The package as bytes, for the build cache."""
        manifest = self.manifest(0, 0).encode()
        return cbor.encode([FORMAT, manifest, self.content, self.confidential, list(self.blobs.values())])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote.

        Raises:
            DamagedPackageError: it is something else, or a blob that the manifest names is missing.
        """
        # Blobs may be larger than the documents that protocol.cbor is made for; the digests below
        # are what protects against damage.
        try:
            version, manifest, content, confidential, blobs = cbor.decode(data, max_size=MAX_PACKAGE)
            known = Manifest.decode(manifest)
            by_digest = {sha256(blob): blob for blob in blobs}
        except Exception as error:
            raise DamagedPackageError(f"package is damaged: {error}") from error
        package = cls(
            known.model, known.version, known.classes, known.provenance, known.targets, by_digest,
            bytes(content), bool(confidential),
        )  # fmt: skip
        wanted = {known.provenance, *(target.index for target in known.targets.values())}
        if version != FORMAT or not wanted <= by_digest.keys():
            raise DamagedPackageError("package is damaged: blobs are missing")
        return package
