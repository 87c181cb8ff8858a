"""The first root: which key may sign what."""

from collections.abc import Mapping

from protocol import cose
from protocol.documents import Role, Root
from protocol.keys import PublicKey, Signer
from protocol.trust import ROOT

YEAR = 365 * 86400 + 86400 // 4
"""Seconds."""


def make_root(
    root: Signer, others: Mapping[str, PublicKey], *, issued: int, lifetime: int = 10 * YEAR
) -> bytes:
    """Root 1, with one key for each role, signed by its own root key.

    Args:
        root: Signs this root, and must sign the next.
        others: The keys of the roles `release` and `director`.
        issued: Now, seconds since 1970-01-01 UTC.
        lifetime: Seconds until devices install nothing under it any more.
    """
    roles = {"root": root.public, **others}
    document = Root(
        version=1,
        issued=issued,
        expires=issued + lifetime,
        keys={key.id: key.to_cose() for key in roles.values()},
        roles={name: Role(threshold=1, keys=(key.id,)) for name, key in roles.items()},
    )
    return cose.sign(ROOT, document.encode(), [root])
