"""Which key may sign what: the first root, and the one that follows a root. Pure.

Refused, because it would lock the owner out or split the fleet: a role without keys or with more
signatures than keys; one key in two roles, so that the thief of an online key never has an offline one;
a director of several signatures, since the controller has one key and answers nonces with it; a mix of
keys that no board could verify (`protocol.boards`), unless the owner says that there are Linux devices only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.keys.errors import RootChangeError
from protocol.boards import KeyMixError, check_keys
from protocol.documents import ROLES, Role, Root
from protocol.keys import PublicKey

YEAR = 365 * 86400 + 86400 // 4
"""Seconds."""
MOST_KEYS = 16
"""Keys of a role; a document has room for as many signatures."""


@dataclass(frozen=True)
class RoleChange:
    """What becomes of a role.

    Attributes:
        add: Keys that come.
        drop: Ids of keys that go.
        threshold: How many must sign; as many as before if None.
    """

    add: tuple[PublicKey, ...] = ()
    drop: frozenset[bytes] = frozenset()
    threshold: int | None = None


def first_root(
    keys: Mapping[str, tuple[PublicKey, ...]],
    thresholds: Mapping[str, int],
    *,
    issued: int,
    lifetime: int = 10 * YEAR,
    linux_only: bool = False,
) -> Root:
    """Root 1, unsigned.

    Args:
        keys: Of every role.
        thresholds: How many of a role's keys must sign; 1 where nothing is said.
        issued: Now, seconds since 1970-01-01 UTC.
        lifetime: Seconds until devices install nothing under it any more.
        linux_only: Whether keys that boards cannot verify are welcome.

    Raises:
        RootChangeError: see the module's text.
    """
    root = Root(
        version=1,
        issued=issued,
        expires=issued + lifetime,
        keys={key.id: key.to_cose() for role in keys.values() for key in role},
        roles={
            name: _role(name, tuple(key.id for key in keys.get(name, ())), thresholds.get(name, 1))
            for name in ROLES
        },
    )
    _check(root, linux_only=linux_only)
    return root


def next_root(
    old: Root,
    changes: Mapping[str, RoleChange],
    *,
    issued: int,
    lifetime: int = 10 * YEAR,
    linux_only: bool = False,
) -> Root:
    """The root after `old`, unsigned; floors stay.

    Args:
        old: The newest root.
        changes: By role; roles that are not named stay as they are.
        issued: Now, seconds since 1970-01-01 UTC.
        lifetime: Seconds until devices install nothing under it any more.
        linux_only: Whether new keys that boards cannot verify are welcome.

    Raises:
        RootChangeError: see the module's text.
    """
    known = dict(old.keys)
    roles = {}
    for name, role in old.roles.items():
        change = changes.get(name, RoleChange())
        added = {key.id: key.to_cose() for key in change.add}
        known |= added
        stay = tuple(kid for kid in role.keys if kid not in change.drop)
        ids = (*stay, *(kid for kid in added if kid not in stay))
        roles[name] = _role(name, ids, change.threshold or role.threshold)
    listed = {kid for role in roles.values() for kid in role.keys}
    # Never before its predecessor: devices take the newest root's date as proof that time has come so far.
    begin = max(issued, old.issued)
    root = Root(
        version=old.version + 1,
        issued=begin,
        expires=begin + lifetime,
        keys={kid: key for kid, key in known.items() if kid in listed},
        roles=roles,
        floors=old.floors,
    )
    # A fleet that has no boards already need not say so again.
    _check(root, linux_only=linux_only or not for_boards(old))
    return root


def _role(name: str, ids: tuple[bytes, ...], threshold: int) -> Role:
    if not ids:
        raise RootChangeError(
            f"role {name} would have no key, and nobody could sign for it",
            remedy=f"fleet keys rotate {name} makes another key in the same step",
        )
    if not 1 <= threshold <= len(ids):
        raise RootChangeError(
            f"role {name} would ask for {threshold} signatures and have {len(ids)} keys",
            remedy="give more keys, or another --threshold",
        )
    if len(ids) > MOST_KEYS:
        raise RootChangeError(f"role {name} would have {len(ids)} keys; {MOST_KEYS} are the most")
    if name == "director" and threshold > 1:
        raise RootChangeError(
            "role director would ask for several signatures; the controller signs alone",
            remedy="let root and release ask for several: they decide what may run at all",
        )
    return Role(threshold=threshold, keys=ids)


def for_boards(root: Root) -> bool:
    """Whether boards can verify every role of a root."""
    try:
        check_keys(root)
    except KeyMixError:
        return False
    return True


def _check(root: Root, *, linux_only: bool) -> None:
    seen: dict[bytes, str] = {}
    for name, role in root.roles.items():
        for kid in role.keys:
            if kid in seen:
                raise RootChangeError(
                    f"key {kid.hex()} would be in roles {seen[kid]} and {name}",
                    remedy="one key for one role: fleet keys new NAME makes another",
                )
            seen[kid] = name
    if linux_only:
        return
    try:
        check_keys(root)
    except KeyMixError as error:
        raise RootChangeError(
            error.what,
            remedy="an Ed25519 key instead, or --linux-only if the fleet has no boards and never will",
        ) from error
