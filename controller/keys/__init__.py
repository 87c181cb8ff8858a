"""The desk's keys: making them, keeping them, signing with them, and the roots that say who may sign what."""

from controller.keys.ceremony import initialise
from controller.keys.errors import (
    KeysExistError,
    KeyStoreError,
    MissingKeyError,
    PassphraseError,
    RootChangeError,
    SigningError,
    StrangeRootError,
    TokenError,
)
from controller.keys.files import write_new
from controller.keys.keyfile import Secrets
from controller.keys.request import SigningRequest
from controller.keys.root import RoleChange, first_root, next_root
from controller.keys.store import KeyStore, StoredKey

__all__ = [
    "KeyStore",
    "KeyStoreError",
    "KeysExistError",
    "MissingKeyError",
    "PassphraseError",
    "RoleChange",
    "RootChangeError",
    "Secrets",
    "SigningError",
    "SigningRequest",
    "StoredKey",
    "StrangeRootError",
    "TokenError",
    "first_root",
    "initialise",
    "next_root",
    "write_new",
]
