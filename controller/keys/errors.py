"""What can go wrong with keys. No message ever quotes the contents of a key file, a passphrase or a PIN.

KeyStoreError          exit 3   a key file is unreadable, damaged, or open to others
├── KeysExistError     exit 3   keys would be overwritten
├── MissingKeyError    exit 3   the key that is needed is not on this desk
├── PassphraseError    exit 3   no passphrase or PIN, a wrong one, or one that is too short
└── TokenError         exit 3   a PKCS#11 token, its library, or a key in it cannot be used
RootChangeError        exit 3   a root that would lock its owner out, or that devices could not verify
SigningError           exit 3   a file with documents to sign is damaged or does not fit
StrangeRootError       exit 5   a root that does not follow the roots known here
"""

from protocol.errors import InputError, RefusedError


class KeyStoreError(InputError):
    """A key file that cannot be used as it is."""


class KeysExistError(KeyStoreError):
    """Something is where new keys would go."""


class MissingKeyError(KeyStoreError):
    """No key on this desk can sign for the role."""


class PassphraseError(KeyStoreError):
    """A passphrase or PIN that is missing, wrong, or too short to protect anything."""


class TokenError(KeyStoreError):
    """A PKCS#11 token, its library, or a key in it that cannot be used."""


class RootChangeError(InputError):
    """A root that would lock its owner out, or that some devices could not verify."""


class SigningError(InputError):
    """A file with documents to sign that is damaged, or does not fit the others."""


class StrangeRootError(RefusedError):
    """A root that does not follow the roots known here: another fleet's, or an attacker's."""
