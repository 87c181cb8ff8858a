"""Errors of the agent that a person meets.

FleetError
├── InputError
│   ├── NotClaimedError      the data folder holds no identity
│   └── DamagedStoreError    a file the agent cannot do without is damaged
├── UnreachableError
│   └── ClaimError           the controller did not accept a claim or renewal
└── DiskFullError            a write found no room
"""

from protocol.errors import FleetError, InputError, UnreachableError


class NotClaimedError(InputError):
    """The data folder holds no identity yet."""


class DamagedStoreError(InputError):
    """A file the agent cannot do without is damaged."""


class ClaimError(UnreachableError):
    """The controller did not accept a claim or a renewal, or did not answer."""


class BusyError(FleetError):
    """Another agent works on the same data folder, or its address is taken."""


class DiskFullError(FleetError):
    """A write found no room.

    Args:
        path: What was being written.
        needed: How many bytes it wanted to add.
    """

    def __init__(self, path: str, needed: int) -> None:
        super().__init__(
            f"disk is full: {path} needs {needed} more bytes",
            where=path,
            remedy="free some space there; the agent tries again by itself",
        )
        self.path = path
        self.needed = needed
