"""What can go wrong with key files. No message ever quotes the contents of one.

KeyStoreError          exit 3   a key file is unreadable, damaged, or open to others
├── KeysExistError     exit 3   keys would be overwritten
└── MissingKeyError    exit 3   the key that is needed is not on this desk
"""

from protocol.errors import InputError


class KeyStoreError(InputError):
    """A key file that cannot be used as it is."""


class KeysExistError(KeyStoreError):
    """Something is where new keys would go."""


class MissingKeyError(KeyStoreError):
    """No key on this desk can sign for the role."""
