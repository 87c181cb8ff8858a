"""What can go wrong with stored data.

FleetError
└── StorageError  exit 1   the disk or the database does not do what it must
"""

from protocol.errors import FleetError


class StorageError(FleetError):
    """The disk is full, unreadable, or gave back other bytes than were stored."""
