"""One release on its way into the spare slot: the steps up to the switch, one method each."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from device_agent.runner.supervisor import Purpose, Runner
from device_agent.serving import Loaded
from device_agent.slots.record import StagedRelease
from device_agent.slots.store import ModelSlots, Release
from device_agent.update import golden
from device_agent.update.surroundings import Surroundings
from protocol import module
from protocol.chunks import MAX_PAGES, open_page
from protocol.confidential import Cipher, ConfidentialError, content_key_of
from protocol.documents import Manifest
from protocol.errors import FleetError
from protocol.trust import TrustError, check_meta, choose_target

log = logging.getLogger("fleet.agent")


class StepError(Exception):
    """A step failed for a reason that a report can carry.

    Attributes:
        code: As in `protocol.documents.Fault`.
        layer: Index of the layer to blame, if there is one.
        for_good: Whether trying again would end the same.
    """

    def __init__(self, code: str, text: str, *, for_good: bool, layer: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.layer = layer
        self.for_good = for_good


@dataclass
class Progress:
    """How far an installation is, bytes of the module; for reports only."""

    size: int = 0
    have: int = 0
    reused: int = 0
    received: int = 0
    golden: tuple[int, int] | None = None


class Installation:
    """Carries one release from its name to a tested runner.

    Every step may be cancelled at any moment: what is on disk is checked again by the next attempt.

    Args:
        model: Name of the model.
        manifest: Name of the release.
        slots: The model's slots.
        around: The device.
    """

    def __init__(self, model: str, manifest: bytes, slots: ModelSlots, around: Surroundings) -> None:
        self.progress = Progress()
        self._model = model
        self._manifest = manifest
        self._slots = slots
        self._around = around
        self._release: Release | None = None
        self._wasm = b""
        self._loaded: Loaded | None = None

    @classmethod
    def of_trial(
        cls, model: str, release: Release, slots: ModelSlots, around: Surroundings
    ) -> "Installation":
        """An installation that had come as far as its trial when the agent ended."""
        installation = cls(model, release.digest, slots, around)
        installation._release = release
        return installation

    @property
    def release(self) -> Release:
        """What is being installed; known once it was resolved."""
        if self._release is None:
            raise RuntimeError("a step ran before its release was resolved")
        return self._release

    def take_loaded(self) -> Loaded:
        """Hand over the tested runner; from here on it is the caller's to stop."""
        if self._loaded is None:
            raise RuntimeError("a step ran before its module was loaded")
        loaded, self._loaded = self._loaded, None
        return loaded

    async def discard(self) -> None:
        """End the runner, if there is one."""
        if self._loaded is not None:
            await self.take_loaded().runner.stop()

    async def resolve(self) -> None:
        """Manifest and index: from the spare slot if they are there, else from the broker.

        Raises:
            TrustError: a rule refuses the manifest, no module of it fits, or its content key is missing.
            BadBlobError: the broker gives other bytes under the name of a page.
            StepError: the index is not sound.
            DiskFullError: there is no room for it.
        """
        around, verifier = self._around, self._around.trust.verifier

        def check(data: bytes) -> None:
            around.trust.verifier.check_manifest(self._model, data, self._manifest)

        staged: Release | None = await around.disk(self._slots.staged, self._manifest)
        if staged is not None and not self._needs_signatures(staged):
            choose_target(staged.manifest, around.capabilities)
            self._release = self._with_cipher(staged)
            return
        data = await around.fetcher.manifest(self._manifest, check)
        manifest = verifier.check_manifest(self._model, data, self._manifest)
        if staged is not None:
            # The same manifest with other signatures: what was fetched for it stays.
            self._release = self._with_cipher(await around.disk(self._slots.sign_anew, staged, data))
            return
        name, target = choose_target(manifest, around.capabilities)
        self._content_key(manifest)
        pages: list[bytes] = []
        following: bytes | None = target.index
        while following is not None and len(pages) < MAX_PAGES:
            page = await around.fetcher.blob(following)
            pages.append(page)
            with _refusal_is_final("index"):
                following = open_page(page, following, name, encrypted=manifest.content_key is not None).next
        document = StagedRelease(manifest=data, target=name, pages=tuple(pages))
        with _refusal_is_final("index"):
            _ = Release("", document).index
        self._release = self._with_cipher(await around.disk(self._slots.stage, document))

    def _with_cipher(self, release: Release) -> Release:
        """Give an encrypted release what opens its chunks."""
        key = self._content_key(release.manifest)
        return replace(release, cipher=Cipher(key, release.document.target) if key else None)

    def _content_key(self, manifest: Manifest) -> bytes | None:
        """The key of an encrypted release.

        Raises:
            TrustError: the assignment does not carry it.
        """
        around, name = self._around, self._manifest
        return content_key_of(around.trust.verifier, manifest, name, around.wrapping_key(name))

    def _needs_signatures(self, staged: Release) -> bool:
        """Whether a new root asks for other signatures than those that a staged manifest came with.

        Raises:
            TrustError: another rule refuses it.
        """
        try:
            self.check(staged)
        except TrustError as error:
            if error.code == "signature":
                return True
            raise
        return False

    def check(self, release: Release) -> None:
        """The rules for the manifest, under the root of now.

        Raises:
            TrustError: one refuses it.
        """
        verifier = self._around.trust.verifier
        verifier.check_manifest(self._model, release.document.manifest, self._manifest)

    async def fetch(self) -> None:
        """All chunks that are not on the device yet, each stored as soon as it is checked.

        Raises:
            BadBlobError: the broker gives other bytes under the name of a chunk.
            StepError: the index is wrong about a chunk, or the chunk does not open under the content key.
            DiskFullError: there is no room.
        """
        release, disk = self.release, self._around.disk
        layout = release.layout
        here: set[bytes] = await disk(self._slots.present, release)
        here |= await disk(self._slots.reuse, release, [d for d in layout.places if d not in here])
        have = sum(layout.bytes_of(digest) for digest in here)
        self.progress = Progress(size=release.target.size, have=have, reused=have)
        self._around.changed()
        try:
            async with asyncio.TaskGroup() as group:
                for digest in layout.places:
                    if digest not in here:
                        group.create_task(self._fetch_one(digest))
        except ExceptionGroup as several:
            # Not `except*`: what is raised in there comes out wrapped again.
            raise several.exceptions[0] from None

    async def _fetch_one(self, digest: bytes) -> None:
        release = self.release
        data = await self._around.fetcher.blob(digest)
        if len(data) != release.layout.places[digest][0].length + release.index.overhead:
            text = f"chunk sha256:{digest.hex()[:8]}… has another length than the index says"
            raise StepError("index", text, for_good=True)
        try:
            await self._around.disk(self._slots.put, release, digest, data)
        except ConfidentialError as error:
            # The digest holds and the key is the named one: whoever made the release made it so.
            raise StepError("content-key", error.what, for_good=True) from error
        self.progress.have += release.layout.bytes_of(digest)
        self.progress.received += len(data)
        self._around.changed()

    async def verify(self) -> None:
        """The whole module against the manifest, and its form against the ABI.

        Raises:
            StepError: one of them does not hold.
        """
        release = self.release
        try:
            wasm = await self._around.disk(self._slots.seal, release)
        except TrustError as error:
            present = await self._around.disk(self._slots.present, release)
            # All chunks right and the whole wrong: the index lies. Otherwise the disk does.
            for_good = present == set(release.layout.places)
            raise StepError(error.code, error.what, for_good=for_good) from error
        with _refusal_is_final("module"):
            check_meta(module.check(wasm), release.manifest, release.document.target)
        self._wasm = wasm

    async def load(self) -> None:
        """A new runner with the module in it.

        Raises:
            RunnerError: the engine refuses it.
        """
        self._loaded = await load_release(self.release, self._wasm, self._around)
        self._wasm = b""

    async def test(self) -> None:
        """Every golden case in the new runner, before anything depends on it.

        Raises:
            StepError: an output differs; the text names the first layer that does.
            RunnerError: a run ended in a trap, late, or with an output that is not finite.
        """
        release, loaded = self.release, self._loaded
        if loaded is None:
            raise RuntimeError("a step ran before its module was loaded")
        cases = release.index.golden
        stored = partial(self._around.disk, self._slots.read_golden, release)
        for number in range(len(cases)):
            self.progress.golden = (number, len(cases))
            self._around.changed()
            difference = await golden.check(loaded, release.index, number, stored)
            if difference is not None:
                raise StepError("golden", difference.text, for_good=True, layer=difference.layer)
        self.progress.golden = (len(cases), len(cases))


async def load_release(
    release: Release, wasm: bytes, around: Surroundings, purpose: Purpose = "serve"
) -> Loaded:
    """A new runner with a verified module in it, compiled or from the cache.

    Raises:
        RunnerError: the engine refuses it.
    """
    digest = release.target.sha256
    runner = await Runner.start(module.check(wasm), purpose)
    try:
        compiled = await runner.load(wasm, await around.disk(around.cache.get, digest))
        if compiled is not None:
            await around.disk(around.cache.put, digest, compiled)
    except BaseException:
        await runner.stop()
        raise
    absent = [name for name, version in runner.sandbox.items() if not version]
    if absent:
        log.warning("%s runs without %s: this kernel has none", release.summary.version, " and ".join(absent))
    return Loaded(runner, release.summary, max(release.target.deadline, 1) / 1000)


@contextlib.contextmanager
def _refusal_is_final(code: str) -> Iterator[None]:
    """What is named by a signed digest says the same in every copy: a fault in it is for good."""
    try:
        yield
    except FleetError as error:
        raise StepError(code, error.what, for_good=True) from error
