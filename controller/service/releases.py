"""Releases: reserving numbers, checking what is uploaded, withdrawing."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from controller.service.content_keys import ContentKeys
from controller.service.context import Context, NotFoundError
from controller.service.devices import report_of
from controller.store import tables as t
from controller.store.records import add, change, highest_sequence, highest_withdrawn, many, one
from protocol import api, cbor, chunks, cose, topics
from protocol.confidential import Cipher, read_chunks
from protocol.documents import MAX_MANIFEST, Manifest, Root
from protocol.errors import InputError, RefusedError
from protocol.keys import PublicKey
from protocol.module import ModuleMeta, check
from protocol.trust import MANIFEST, check_meta, check_module


def find(tx: Connection, model: str, version: str) -> RowMapping:
    """The row of a release.

    Raises:
        NotFoundError: there is none.
    """
    row = one(tx, t.releases, model=model, version=version)
    if row is None:
        known = ", ".join(item["version"] for item in many(tx, t.releases, model=model)) or "none"
        raise NotFoundError(
            f"there is no release {model} {version}",
            where=f"releases of {model} are: {known}",
            remedy=f"fleet push {model} --group GROUP builds and releases it",
        )
    return row


def manifest_of(row: RowMapping) -> Manifest:
    """The manifest of a stored release."""
    return Manifest.decode(cose.parse(row["signed"], max_payload=MAX_MANIFEST).payload)


def signers_of(root: Root, document: cose.Signed) -> list[str]:
    """Ids of the release keys of a root that have signed a manifest, hexadecimal."""
    keys = {kid: PublicKey.from_cose(root.keys[kid]) for kid in root.roles["release"].keys}
    return sorted(kid.hex() for kid in document.signers(MANIFEST, keys))


def check_signed(root: Root, row: RowMapping) -> None:
    """Hold a stored release to the newest root, as devices will.

    Raises:
        RefusedError: its signatures do not count any more.
    """
    _check_signers(
        root, cose.parse(row["signed"], max_payload=MAX_MANIFEST), f"{row['model']} {row['version']}"
    )


def _check_signers(root: Root, document: cose.Signed, name: str) -> None:
    role = root.roles["release"]
    good = signers_of(root, document)
    if len(good) >= role.threshold:
        return
    claimed = ", ".join(sorted(signature.kid.hex() for signature in document.signatures))
    raise RefusedError(
        f"manifest has {len(good)} of {role.threshold} release signatures"
        if good
        else f"manifest is signed by key {claimed}, which root {root.version} does not list for role release",
        where=name,
        remedy=f"sign it with keys that fleet keys show lists for role release: fleet release sign {name}",
    )


class Releases:
    """`fleet release`, and the controller's half of a push."""

    def __init__(self, context: Context, keys: ContentKeys) -> None:
        self._context = context
        self._keys = keys

    def reserve(self, request: api.Reserve) -> api.Reservation:
        """A sequence number for a version, before it is signed.

        Raises:
            RefusedError: the version is taken by other bytes.
        """
        with self._context.transaction() as tx:
            floor = highest_withdrawn(tx, request.model) + 1
            row = one(tx, t.reservations, model=request.model, version=request.version)
            released = one(tx, t.releases, model=request.model, version=request.version)
            if row is not None and row["content"] != request.content:
                if released is not None:
                    raise RefusedError(
                        f"{request.model} {request.version} exists with other content",
                        where=f"content sha256:{row['content'][:8]}…",
                        remedy="raise the version in model.toml",
                    )
                change(
                    tx, t.reservations, {"model": request.model, "version": request.version},
                    content=request.content,
                )  # fmt: skip
            sequence = row["sequence"] if row is not None else highest_sequence(tx, request.model) + 1
            if row is None:
                add(
                    tx, t.reservations, model=request.model, version=request.version,
                    content=request.content, sequence=sequence,
                )  # fmt: skip
            return api.Reservation(
                sequence=sequence,
                floor=min(floor, sequence),
                released=released["manifest"] if released is not None else None,
            )

    def register(self, signed: bytes) -> api.Release:
        """Make a release of a signed manifest, after checking all of it.

        Raises:
            RefusedError: not signed by who may release, or something uploaded is not what it says.
            InputError: a blob is missing, or the numbers were not reserved.
        """
        context = self._context
        document = cose.parse(signed, max_payload=MAX_MANIFEST)
        manifest = Manifest.decode(document.payload)
        digest = chunks.sha256(document.payload).hex()
        _check_signers(context.root, document, f"{manifest.model} {manifest.version}")
        with context.transaction() as tx:
            existing = one(tx, t.releases, manifest=digest)
            if existing is not None:
                self._take_signatures(tx, existing, signed)
                return self.describe(tx, find(tx, manifest.model, manifest.version))
            row = one(tx, t.reservations, model=manifest.model, version=manifest.version)
            if row is None or row["sequence"] != manifest.sequence:
                raise RefusedError(
                    f"{manifest.model} {manifest.version} was not reserved with sequence {manifest.sequence}"
                )
            if one(tx, t.releases, model=manifest.model, version=manifest.version) is not None:
                raise RefusedError(
                    f"{manifest.model} {manifest.version} is released already, with other bytes",
                    remedy="raise the version in model.toml",
                )
            details = self._examine(manifest, self._keys.of(tx, manifest))
            add(
                tx, t.releases, manifest=digest, model=manifest.model, version=manifest.version,
                sequence=manifest.sequence, signed=signed, created=context.clock(), details=details,
            )  # fmt: skip
            words = f"{manifest.model} {manifest.version}, sequence {manifest.sequence}, sha256:{digest}"
            signers = ", ".join(signers_of(context.root, document))
            context.audit(tx, "release", f"{words}, signed by {signers}")
            return self.describe(tx, find(tx, manifest.model, manifest.version))

    def _take_signatures(self, tx: Connection, row: RowMapping, signed: bytes) -> None:
        """Keep what a release that exists was signed with now, and those of its signatures that still count.

        A release may so be signed by a key that only the next root will list, before that root is there.
        """
        root = self._context.root
        old, new = (cose.parse(data, max_payload=MAX_MANIFEST) for data in (row["signed"], signed))
        kept: dict[bytes, cose.Signature] = {}
        for signature in (*new.signatures, *old.signatures):
            if signers_of(root, cose.Signed(new.payload, (signature,))):
                kept.setdefault(signature.kid, signature)
        for signature in new.signatures:
            if signature.kid not in root.roles["release"].keys:
                kept.setdefault(signature.kid, signature)
        if len(kept) > cose.MAX_SIGNATURES:
            raise RefusedError(f"a release has at most {cose.MAX_SIGNATURES} signatures")
        document = cose.assemble(new.payload, [(one.protected, one.value) for one in kept.values()])
        if document == row["signed"]:
            return
        signers = ", ".join(kid.hex() for kid in kept)
        self._context.audit(tx, "sign", f"{row['model']} {row['version']}, now signed by {signers}")
        change(tx, t.releases, {"manifest": row["manifest"]}, signed=document)
        if one(tx, t.retained, digest=row["manifest"]) is not None:
            self._context.publish(topics.manifest(bytes.fromhex(row["manifest"])), document)

    def _examine(self, manifest: Manifest, content_key: bytes | None) -> dict[str, Any]:
        """Put every module together, check it, and remember what it says about itself."""
        modules, metas = [], []
        for name in manifest.targets:
            meta, info = self._module(manifest, name, content_key)
            check_meta(meta, manifest, name)
            modules.append(info.model_dump(mode="json"))
            metas.append(meta)
        if not metas:
            raise InputError(f"{manifest.model} {manifest.version} has no module")
        first = metas[0]
        for meta in metas[1:]:
            if (meta.inputs, meta.outputs) != (first.inputs, first.outputs):
                raise RefusedError("modules of one release have different inputs or outputs")
        provenance = cbor.decode(self._blob(manifest.provenance))
        return {
            "modules": modules,
            "inputs": [tensor.model_dump(mode="json") for tensor in first.inputs],
            "outputs": [tensor.model_dump(mode="json") for tensor in first.outputs],
            "provenance": {str(key): str(value) for key, value in provenance.items()},
        }

    def _module(
        self, manifest: Manifest, name: str, content_key: bytes | None
    ) -> tuple[ModuleMeta, api.ModuleInfo]:
        target = manifest.targets[name]
        cipher = Cipher(content_key, name) if content_key is not None else None
        index = chunks.index_of(manifest, name, self._blob)
        pieces = read_chunks(index, "module", self._blob, cipher)
        read_chunks(index, "golden", self._blob, cipher)
        wasm = b"".join(pieces)
        check_module(wasm, target)
        meta = check(wasm)
        info = api.ModuleInfo(
            target=name,
            size=target.size,
            sha256=target.sha256.hex(),
            memory=target.memory,
            chunks=len(pieces),
            arena=meta.arena.size,
            macs=sum(layer.macs for layer in meta.layers),
        )
        return meta, info

    def metadata(self, row: RowMapping, target: str) -> ModuleMeta | None:
        """What the module of a release for a target says of itself; None when it has none for it."""
        manifest = manifest_of(row)
        if target not in manifest.targets:
            return None
        with self._context.transaction() as tx:
            key = self._keys.of(tx, manifest)
        return self._module(manifest, target, key)[0]

    def is_secret(self, digest: str) -> bool:
        """Whether a blob is the graph of an encrypted release: it holds the weights, in the clear."""
        with self._context.transaction() as tx:
            return any(
                row["details"]["provenance"].get("graph") == digest
                for row in many(tx, t.releases)
                if manifest_of(row).content_key is not None
            )

    def _blob(self, digest: bytes) -> bytes:
        if not self._context.blobs.has(digest.hex()):
            raise InputError(f"blob sha256:{digest.hex()[:8]}… was not uploaded", remedy="push again")
        return self._context.blobs.get(digest.hex())

    def page(self, model: str | None, cursor: int | None, limit: int) -> api.ReleasePage:
        """Releases, newest first; `cursor` is how many to leave out."""
        with self._context.transaction() as tx:
            rows = sorted(
                (row for row in many(tx, t.releases) if model is None or row["model"] == model),
                key=lambda row: (-row["created"], row["model"], -row["sequence"]),
            )
            start = cursor or 0
            items = [self.describe(tx, row) for row in rows[start : start + limit]]
        more = start + limit < len(rows)
        return api.ReleasePage(items=items, next=str(start + limit) if more else None)

    def get(self, model: str, version: str) -> api.Release:
        """One release."""
        with self._context.transaction() as tx:
            return self.describe(tx, find(tx, model, version))

    def withdraw(self, model: str, version: str) -> api.Release:
        """Never push it again; the next release's floor keeps it off devices for good."""
        context = self._context
        with context.transaction() as tx:
            find(tx, model, version)
            change(tx, t.releases, {"model": model, "version": version}, withdrawn=True)
            context.event(tx, None, "withdrawn", f"{model} {version} was withdrawn")
            context.audit(tx, "withdraw", f"{model} {version}")
            return self.describe(tx, find(tx, model, version))

    def describe(self, tx: Connection, row: RowMapping) -> api.Release:
        """A release as a resource."""
        manifest, details = manifest_of(row), row["details"]
        return api.Release(
            model=row["model"],
            version=row["version"],
            manifest=row["manifest"],
            signed=row["signed"].hex(),
            sequence=row["sequence"],
            floor=manifest.floor,
            classes=list(manifest.classes),
            created=row["created"],
            withdrawn=row["withdrawn"],
            signers=signers_of(self._context.root, cose.parse(row["signed"], max_payload=MAX_MANIFEST)),
            modules=details["modules"],
            inputs=details["inputs"],
            outputs=details["outputs"],
            provenance=details["provenance"],
            confidential=manifest.content_key is not None,
            devices=_running(tx, row),
        )


def _running(tx: Connection, release: RowMapping) -> int:
    """How many devices say they run a release."""
    count = 0
    for row in many(tx, t.devices):
        report = report_of(row)
        told = report.models.get(release["model"]) if report else None
        count += bool(told and told.running and told.running.manifest.hex() == release["manifest"])
    return count


def blobs_of(context: Context, row: RowMapping) -> Sequence[bytes]:
    """Digests of all that the broker must hold for a release: pages, chunks, golden inputs."""
    manifest = manifest_of(row)
    digests: dict[bytes, None] = {}

    def fetch(digest: bytes) -> bytes:
        digests[digest] = None
        return context.blobs.get(digest.hex())

    for name in manifest.targets:
        index = chunks.index_of(manifest, name, fetch)
        for chunk in (*index.of("module"), *index.of("golden")):
            digests[chunk.digest] = None
    return list(digests)
