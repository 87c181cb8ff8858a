"""From a package to a release: reserve a number, sign, upload what is missing, register."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.client import Client, TokenRefusedError
from controller.releases.encrypt import encrypt
from controller.releases.errors import VersionTakenError
from controller.releases.package import Package
from protocol import api, cose
from protocol.errors import RefusedError
from protocol.keys import Signer
from protocol.trust import MANIFEST

BATCH = 1000
"""Digests asked for in one request."""

Uploaded = Callable[[int, int], None]
"""Told after each upload: bytes so far, of how many."""


@dataclass(frozen=True)
class Publication:
    """What became of a package.

    Attributes:
        release: As the controller holds it.
        uploaded: Bytes sent; 0 when everything was there.
        new: Whether this call made the release.
    """

    release: api.Release
    uploaded: int
    new: bool


def publish(
    package: Package,
    client: Client,
    signers: Callable[[], Sequence[Signer]],
    uploaded: Uploaded | None = None,
) -> Publication:
    """Make `package` a release, unless it is one already.

    Every step may be repeated: after an interruption the same call goes on where the last one ended.

    Args:
        package: What to release.
        client: The controller.
        signers: Gives the release keys; asked only when there is something to sign.
        uploaded: Progress of the upload.

    Raises:
        VersionTakenError: the version is released with other bytes.
        FleetError: the controller refuses or does not answer, or no key can sign.
    """
    reservation = _reserve(package, client)
    if reservation.released is not None:
        return Publication(client.release(package.model, package.version), 0, new=False)
    package = _closed(package, client)
    manifest = package.manifest(reservation.sequence, reservation.floor).encode()
    signed = cose.sign(MANIFEST, manifest, signers())
    sent = _upload(package, client, uploaded)
    return Publication(client.register(signed), sent, new=True)


def prepare(package: Package, client: Client, uploaded: Uploaded | None = None) -> bytes | None:
    """Everything short of signatures that others make: numbers reserved, blobs uploaded.

    Args:
        package: What to release.
        client: The controller.
        uploaded: Progress of the upload.

    Returns:
        The manifest to sign, or None if this release exists.

    Raises:
        VersionTakenError: the version is released with other bytes.
        FleetError: the controller refuses or does not answer.
    """
    reservation = _reserve(package, client)
    if reservation.released is not None:
        return None
    package = _closed(package, client)
    _upload(package, client, uploaded)
    return package.manifest(reservation.sequence, reservation.floor).encode()


def _reserve(package: Package, client: Client) -> api.Reservation:
    request = api.Reserve(model=package.model, version=package.version, content=package.content.hex())
    try:
        return client.reserve(request)
    except TokenRefusedError:
        raise
    except RefusedError as error:
        raise VersionTakenError(
            f"{package.model} {package.version} is released already, with other bytes",
            where=f"content sha256:{package.content.hex()[:8]}…, {error.what}",
            remedy="bump `version` in model.toml; a release never changes",
        ) from error


def _closed(package: Package, client: Client) -> Package:
    """The package as it leaves the desk: encrypted, if its project asks for that."""
    if not package.confidential:
        return package
    return encrypt(package, client.content_key(package.model, package.version))


def _upload(package: Package, client: Client, uploaded: Uploaded | None) -> int:
    by_name = {digest.hex(): blob for digest, blob in package.blobs.items()}
    names = sorted(by_name)
    missing = [
        name
        for start in range(0, len(names), BATCH)
        for name in client.missing_blobs(names[start : start + BATCH])
    ]
    total = sum(len(by_name[name]) for name in missing)
    sent = 0
    for name in missing:
        client.put_blob(name, by_name[name])
        sent += len(by_name[name])
        if uploaded:
            uploaded(sent, total)
    return sent
