"""The controller's keys in its data folder: the one it directs with, and the one for the next root.

`director.key` is in use; `director-next.key` waits for a root that lists it. Both have the forms of
`controller.keys.keyfile`: a controller that starts by itself has its passphrase or PIN in a file.
"""

import contextlib
from pathlib import Path

from controller.keys.ceremony import next_director
from controller.keys.errors import KeyStoreError
from controller.keys.keyfile import Secrets, read_key
from controller.keys.store import DIRECTOR, NEXT_DIRECTOR
from protocol.documents import Root
from protocol.keys import PublicKey, Signer

_PROOF = b"fleet/v1/proof"
"""Signed to see whether a token does; no document begins like it."""


class DirectorKeys:
    """See `controller.service.context.Directors`.

    Args:
        folder: The controller's data.
        secrets: Where a passphrase or PIN comes from.
    """

    def __init__(self, folder: Path, secrets: Secrets) -> None:
        self._folder = folder
        self._secrets = secrets

    def next(self) -> PublicKey:
        """The key that a later root shall list; made if need be, the same until it is in use.

        Raises:
            KeyStoreError: it cannot be made here.
        """
        return next_director(self._folder, self._secrets)

    def of(self, root: Root) -> Signer | None:
        """The key that a root lists for the director, unlocked, if it is here.

        Raises:
            KeyStoreError: a key cannot be read or unlocked.
        """
        for name in (DIRECTOR, NEXT_DIRECTOR):
            path = self._folder / name
            if not path.exists():
                continue
            key = read_key(path)
            if key.public.id in root.roles["director"].keys:
                signer = key.unlock(self._secrets)
                if key.form == "token":
                    # A wrong PIN, or a token that is not there, shows now and not at the first assignment.
                    signer.sign(_PROOF)
                return signer
        return None

    def settle(self, root: Root) -> None:
        """A root is in force: its key is `director.key` from now on. What was that before is gone."""
        waiting = self._folder / NEXT_DIRECTOR
        with contextlib.suppress(KeyStoreError):
            if read_key(waiting).public.id in root.roles["director"].keys:
                waiting.replace(self._folder / DIRECTOR)
