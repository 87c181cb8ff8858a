"""Content keys of encrypted releases: made from the controller's secret, wrapped for each device.

None is stored: a key is derived from the controller's X25519 key, the name and version of the release, and
the digest of its content in the clear. So it belongs to one content, as the nonces of chunks ask for, and a
copy of the database opens nothing.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, RowMapping

from controller.service.context import ConflictError, Context, NotFoundError
from controller.store import tables as t
from controller.store.records import one
from protocol import api, cose
from protocol.confidential import KEY_BYTES, key_id, wrap, wrapping_key
from protocol.documents import MAX_MANIFEST, Manifest
from protocol.errors import FleetError


class ContentKeys:
    """Who may read which release."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[str, bytes | None] = {}

    def get(self, model: str, version: str) -> api.ContentKey:
        """The key under which a version is to be encrypted, or was.

        Raises:
            NotFoundError: the version was not reserved.
        """
        with self._context.transaction() as tx:
            key = self._of_version(tx, model, version)
            self._context.audit(tx, "content-key", f"read that of {model} {version}")
            return api.ContentKey(content_key=key.hex())

    def of(self, tx: Connection, manifest: Manifest) -> bytes | None:
        """The key of a release; None if it is not encrypted.

        Raises:
            NotFoundError: it was not reserved.
            ConflictError: it is encrypted under a key that this controller does not have.
        """
        if manifest.content_key is None:
            return None
        key = self._of_version(tx, manifest.model, manifest.version)
        if key_id(key) != manifest.content_key:
            raise ConflictError(
                f"{manifest.model} {manifest.version} is encrypted under a key that this controller lacks",
                where=f"content key {manifest.content_key.hex()}",
                remedy="restore x25519.key from a backup, or push it under another version",
            )
        return key

    def wrapped(self, tx: Connection, device: RowMapping, manifest: str) -> bytes | None:
        """The key of a release for one device.

        Returns:
            A COSE_Encrypt0; None if the release is not encrypted, or the device has not claimed its place.
        """
        if device["public_key"] is None:
            return None
        if manifest not in self._known:
            self._known[manifest] = self._find(tx, manifest)
        key = self._known[manifest]
        if key is None:
            return None
        private, name = self._context.exchange_key, device["name"]
        return wrap(key, wrapping_key(private, device["public_key"], name, bytes.fromhex(manifest)))

    def _find(self, tx: Connection, manifest: str) -> bytes | None:
        row = one(tx, t.releases, manifest=manifest)
        if row is None:
            return None
        try:
            return self.of(tx, Manifest.decode(cose.parse(row["signed"], max_payload=MAX_MANIFEST).payload))
        except FleetError as error:
            # The device will say that it lacks the key; its other models must not wait for this one.
            self._context.event(tx, None, "content-key", error.what)
            return None

    def _of_version(self, tx: Connection, model: str, version: str) -> bytes:
        row = one(tx, t.reservations, model=model, version=version)
        if row is None:
            raise NotFoundError(f"{model} {version} was never built for release")
        info = f"fleet/v1/content-key-of/{model}/{version}/{row['content']}"
        hkdf = HKDF(SHA256(), KEY_BYTES, salt=None, info=info.encode())
        return hkdf.derive(self._context.exchange_key)
