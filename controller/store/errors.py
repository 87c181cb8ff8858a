"""What can go wrong with stored data.

FleetError
├── StorageError       exit 1   the disk or the database does not do what it must
└── BlobMismatchError  exit 3   uploaded bytes are not those their name promises
"""

from protocol.errors import FleetError, InputError


class StorageError(FleetError):
    """The disk is full, unreadable, or gave back other bytes than were stored."""


class BlobMismatchError(InputError):
    """Uploaded bytes whose SHA-256 is not the name they were sent under."""
