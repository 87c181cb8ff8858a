"""The desk's private keys: making them, keeping them in files, and the first root."""

from controller.keys.errors import KeysExistError, KeyStoreError, MissingKeyError
from controller.keys.files import write_new
from controller.keys.root import make_root
from controller.keys.store import KeyStore, StoredKey

__all__ = [
    "KeyStore",
    "KeyStoreError",
    "KeysExistError",
    "MissingKeyError",
    "StoredKey",
    "make_root",
    "write_new",
]
