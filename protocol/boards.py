"""Which devices can verify whose signatures.

Linux agents take Ed25519 and ES256, for keys in HSMs; a board takes Ed25519 only, and treats other keys as
absent. So a role whose Ed25519 keys cannot reach its threshold is one that no board can ever obey.
"""

from collections.abc import Collection

from protocol.documents import Root
from protocol.errors import RefusedError
from protocol.keys import EDDSA, ES256, PublicKey

LINUX = frozenset({EDDSA, ES256})
BOARD = frozenset({EDDSA})
"""COSE algorithms that a kind of device accepts."""

NAMES = {EDDSA: "Ed25519", ES256: "ES256"}


class KeyMixError(RefusedError):
    """Keys or signatures that a board could not verify."""


def key_types(root: Root) -> dict[str, dict[str, int]]:
    """How many keys of each type each role has, by the type's name; types that it lacks are left out.

    Raises:
        BadKeyError: the root holds something that is not a key.
    """
    found: dict[str, dict[str, int]] = {}
    for name, role in root.roles.items():
        counts = found.setdefault(name, {})
        for kid in role.keys:
            word = NAMES[PublicKey.from_cose(root.keys[kid]).algorithm]
            counts[word] = counts.get(word, 0) + 1
    return found


def check_keys(root: Root) -> None:
    """Refuse a root under which a board could never accept the documents of some role.

    Raises:
        KeyMixError: a role's Ed25519 keys cannot reach its threshold.
    """
    for name, counts in key_types(root).items():
        usable, needed = counts.get(NAMES[EDDSA], 0), root.roles[name].threshold
        if usable < needed:
            raise KeyMixError(
                f"a board could not verify role {name}: it needs {needed} Ed25519 signature"
                f"{'s' if needed > 1 else ''}, and the role has {usable} Ed25519 and "
                f"{counts.get(NAMES[ES256], 0)} ES256 keys",
                remedy=f"{needed - usable} more Ed25519 key{'s' if needed - usable > 1 else ''} in the role, "
                "or a fleet without boards",
            )


def check_signers(root: Root, role: str, kids: Collection[bytes]) -> None:
    """Refuse signatures that suffice on Linux but not on a board.

    Args:
        root: The current root.
        role: Role of the document.
        kids: Who has signed it.

    Raises:
        KeyMixError: fewer of them are Ed25519 keys of the role than its threshold.
    """
    listed = set(kids) & set(root.roles[role].keys)
    usable = sum(PublicKey.from_cose(root.keys[kid]).algorithm in BOARD for kid in listed)
    needed = root.roles[role].threshold
    if usable < needed:
        raise KeyMixError(
            f"a board could not verify this: {usable} of the {needed} signatures that role {role} needs are "
            "Ed25519",
            remedy="sign with an Ed25519 key of the role as well: signatures can be added to a document",
        )
