"""What can go wrong between a build and a release.

TargetsDifferError   exit 1   the modules of a build do not compute the same outputs
VersionTakenError    exit 5   the version is released already, with other bytes
"""

from protocol.errors import FleetError, RefusedError


class TargetsDifferError(FleetError):
    """Two targets of one build give different outputs for the same input."""


class VersionTakenError(RefusedError):
    """A release is immutable; a change needs a new version."""
