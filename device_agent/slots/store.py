"""Two slots for each model on disk, and what is true of them after any power cut.

    models/<model>/state          ModelState, replaced atomically
    models/<model>/<slot>/release StagedRelease: signed manifest and index
    models/<model>/<slot>/module  the module, written chunk by chunk
    models/<model>/<slot>/golden  inputs of the golden cases, likewise

Rules that make every prefix of these writes safe:

 S1  A slot's files change only while the state does not list the slot.
 S2  A slot is listed only after its files are durable and the whole module was hashed.
 S3  Nothing records which chunks have arrived: a chunk is there if its bytes hash to its name. Those of
     an encrypted release are stored in the clear, and encrypted again for that.
 S4  What is loaded is hashed again first.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from device_agent.errors import DamagedStoreError
from device_agent.slots.files import Files, replace_durably
from device_agent.slots.layout import Layout, Place
from device_agent.slots.record import GivenUp, ModelState, StagedRelease
from protocol import cose
from protocol.chunks import File, Index, index_of, sha256
from protocol.confidential import Cipher
from protocol.documents import MAX_MANIFEST, Manifest, Slot, Target
from protocol.errors import RefusedError
from protocol.trust import check_module

SLOTS = ("a", "b")
FILES: tuple[File, ...] = ("module", "golden")
_CHECKSUM = 32


@dataclass(frozen=True)
class Release:
    """A release as it lies in a slot, or is being fetched into one."""

    slot: str
    document: StagedRelease
    cipher: Cipher | None = None
    """Opens the chunks of an encrypted release while it is fetched."""

    @cached_property
    def manifest(self) -> Manifest:
        """Its manifest; who signed it was checked before it was staged."""
        return Manifest.decode(cose.parse(self.document.manifest, max_payload=MAX_MANIFEST).payload)

    @cached_property
    def digest(self) -> bytes:
        """The manifest's name."""
        return sha256(cose.parse(self.document.manifest, max_payload=MAX_MANIFEST).payload)

    @property
    def target(self) -> Target:
        """The module chosen for this device."""
        return self.manifest.targets[self.document.target]

    @cached_property
    def index(self) -> Index:
        """Chunks, golden cases and trace.

        Raises:
            BadIndexError: the pages do not belong to the manifest.
        """
        pages = {sha256(page): page for page in self.document.pages}
        return index_of(self.manifest, self.document.target, lambda digest: pages.get(digest, b""))

    @cached_property
    def layout(self) -> Layout:
        """Where its chunks lie."""
        return Layout(self.index)

    @property
    def summary(self) -> Slot:
        """What reports say about it."""
        return Slot(
            manifest=self.digest,
            version=self.manifest.version,
            sequence=self.manifest.sequence,
            target=self.document.target,
        )


class ModelSlots:
    """The slots of one model.

    Args:
        files: Where they live.
        model: Its name.

    Raises:
        DamagedStoreError: the state file is there but is not what was written.
    """

    def __init__(self, files: Files, model: str) -> None:
        self._files = files
        self.model = model
        self._folder = f"models/{model}"
        self.state = self._read_state()

    def _read_state(self) -> ModelState:
        data = self._files.read(f"{self._folder}/state")
        if data is None:
            return ModelState()
        if sha256(data[_CHECKSUM:]) != data[:_CHECKSUM]:
            raise DamagedStoreError(
                f"state of model {self.model} is damaged",
                where=f"{self._folder}/state",
                remedy=f"remove {self._folder}; the model is fetched again",
            )
        return ModelState.decode(data[_CHECKSUM:])

    def _write_state(self, **change: object) -> None:
        state = self.state.model_copy(update=change)
        encoded = state.encode()
        for folder in ("models", self._folder):
            if folder.rpartition("/")[2] not in self._files.names(folder.rpartition("/")[0]):
                self._files.make_folder(folder)
                self._files.sync_folder(folder.rpartition("/")[0])
        replace_durably(self._files, f"{self._folder}/state", sha256(encoded) + encoded)
        self.state = state

    def _path(self, slot: str, file: str) -> str:
        return f"{self._folder}/{slot}/{file}"

    # -- reading ---------------------------------------------------------------------------------

    def release(self, slot: str | None) -> Release | None:
        """What lies in a slot, complete or not; None when there is nothing usable."""
        data = self._files.read(self._path(slot, "release")) if slot else None
        if slot is None or data is None:
            return None
        try:
            release = Release(slot, StagedRelease.decode(data))
            _ = release.layout
        except (RefusedError, KeyError):
            return None
        return release

    def active(self) -> Release | None:
        """The confirmed release."""
        return self._listed(self.state.active)

    def trial(self) -> Release | None:
        """The release under observation."""
        return self._listed(self.state.trial)

    def _listed(self, slot: str | None) -> Release | None:
        release = self.release(slot)
        if release is not None and release.digest == self.state.slots[release.slot].manifest:
            return release
        return None

    def read_module(self, release: Release) -> bytes:
        """S4: the module's bytes, hashed again.

        Raises:
            TrustError: they are not what the manifest names.
        """
        wasm = self._files.read(self._path(release.slot, "module")) or b""
        check_module(wasm, release.target)
        return wasm

    def read_golden(self, release: Release, case: int) -> bytes:
        """Inputs of a golden case, one tensor after the other."""
        start, end = release.layout.golden_range(case)
        return (self._files.read(self._path(release.slot, "golden")) or b"")[start:end]

    def _contents(self, release: Release) -> dict[File, bytes]:
        return {file: self._files.read(self._path(release.slot, file)) or b"" for file in FILES}

    def present(self, release: Release) -> set[bytes]:
        """S3: digests of the chunks whose bytes are in the slot."""
        contents = self._contents(release)
        return {
            digest
            for digest, places in release.layout.places.items()
            if all(_holds(contents[place.file], place, digest, release.cipher) for place in places)
        }

    # -- staging ---------------------------------------------------------------------------------

    def spare(self) -> str:
        """The slot that may be overwritten: neither confirmed nor on trial."""
        return next(slot for slot in SLOTS if slot not in (self.state.active, self.state.trial))

    def staged(self, manifest: bytes) -> Release | None:
        """The release in the spare slot, if it is the one that `manifest` names."""
        release = self.release(self.spare())
        return release if release is not None and release.digest == manifest else None

    def stage(self, document: StagedRelease) -> Release:
        """Make the spare slot ready to take a release; what it held before is gone.

        Raises:
            DiskFullError: there is no room.
        """
        slot = self.spare()
        if slot in self.state.slots:
            self._write_state(slots={s: v for s, v in self.state.slots.items() if s != slot})
        elif self._files.read(f"{self._folder}/state") is None:
            self._write_state()
        folder = f"{self._folder}/{slot}"
        self._files.make_folder(folder)
        self._files.sync_folder(self._folder)
        # The description goes first: bytes without one are never looked at.
        for file in ("release", "module", "golden"):
            self._files.remove(f"{folder}/{file}")
        self._files.sync_folder(folder)
        replace_durably(self._files, f"{folder}/release", document.encode())
        return Release(slot, document)

    def sign_anew(self, release: Release, manifest: bytes) -> Release:
        """Keep a staged release under other signatures of the same manifest.

        Raises:
            DiskFullError: there is no room.
        """
        document = release.document.model_copy(update={"manifest": manifest})
        replace_durably(self._files, f"{self._folder}/{release.slot}/release", document.encode())
        return Release(release.slot, document)

    def put(self, release: Release, digest: bytes, data: bytes) -> None:
        """Store one verified chunk at all its places, durably and in the clear.

        Raises:
            ConfidentialError: it does not open at one of them.
            DiskFullError: there is no room.
        """
        files, cipher = set(), release.cipher
        for place in release.layout.places[digest]:
            clear = cipher.decrypt(place.file, place.number, data) if cipher else data
            self._files.write(self._path(release.slot, place.file), place.offset, clear)
            files.add(place.file)
        for file in sorted(files):
            self._files.sync(self._path(release.slot, file))

    def reuse(self, release: Release, wanted: Iterable[bytes]) -> set[bytes]:
        """Copy those of `wanted` that the confirmed release holds; each is hashed again.

        Returns:
            What was copied.
        """
        active = self.active()
        shared = {d for d in wanted if active is not None and d in active.layout.places}
        if active is None or not shared:
            return set()
        contents = self._contents(active)
        copied, files = set(), set()
        for digest in shared:
            source = active.layout.places[digest][0]
            data = contents[source.file][source.offset : source.offset + source.length]
            if sha256(data) != digest:
                continue
            for place in release.layout.places[digest]:
                self._files.write(self._path(release.slot, place.file), place.offset, data)
                files.add(place.file)
            copied.add(digest)
        for file in sorted(files):
            self._files.sync(self._path(release.slot, file))
        return copied

    def seal(self, release: Release) -> bytes:
        """S2: check the whole module and make its names durable.

        Returns:
            The module.

        Raises:
            TrustError: the assembled module is not the one the manifest names.
        """
        wasm = self.read_module(release)
        self._files.sync_folder(f"{self._folder}/{release.slot}")
        return wasm

    # -- moving on -------------------------------------------------------------------------------

    def begin_trial(self, release: Release, attempt: int) -> None:
        """List a sealed release and put it under observation."""
        self._write_state(
            slots={**self.state.slots, release.slot: release.summary},
            trial=release.slot,
            boots=0,
            attempt=attempt,
        )

    def count_boot(self) -> int:
        """Count a start of the agent during a trial; gives the number of starts so far."""
        self._write_state(boots=self.state.boots + 1)
        return self.state.boots

    def confirm(self) -> None:
        """The release on trial becomes the confirmed one; done twice it is done once."""
        if self.state.trial is not None:
            self._write_state(active=self.state.trial, trial=None, boots=0, given_up=None)

    def end_trial(self, given_up: GivenUp | None) -> None:
        """Go back to the confirmed release."""
        change: dict[str, object] = {"trial": None, "boots": 0}
        if given_up is not None:
            change["given_up"] = given_up
        self._write_state(**change)

    def give_up(self, given_up: GivenUp) -> None:
        """Remember a release that failed before it was switched in."""
        self._write_state(given_up=given_up)

    def clear(self) -> None:
        """Remove the model."""
        self._write_state(slots={}, active=None, trial=None, boots=0, given_up=None)
        for slot in SLOTS:
            for file in self._files.names(f"{self._folder}/{slot}"):
                self._files.remove(self._path(slot, file))
        # Last, so that a power cut before leaves a model that is known, and removed again.
        self._files.remove(f"{self._folder}/state")


def stored_models(files: Files) -> list[str]:
    """Models that have a state file."""
    return [name for name in files.names("models") if files.read(f"models/{name}/state") is not None]


def _holds(contents: bytes, place: Place, digest: bytes, cipher: Cipher | None) -> bool:
    stored = memoryview(contents)[place.offset : place.offset + place.length]
    if len(stored) != place.length:
        return False
    wire = cipher.encrypt(place.file, place.number, stored) if cipher else stored
    return hashlib.sha256(wire).digest() == digest
