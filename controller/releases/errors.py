"""What can go wrong between a build and a release.

TargetsDifferError   exit 1   the modules of a build do not compute the same outputs
VersionTakenError    exit 5   the version is released already, with other bytes
EvidenceError        exit 5   what a release keeps of its making is missing, or not what the release names
NotReproducedError   exit 1   a release that was rebuilt has other bytes
"""

from protocol.errors import FleetError, RefusedError


class TargetsDifferError(FleetError):
    """Two targets of one build give different outputs for the same input."""


class VersionTakenError(RefusedError):
    """A release is immutable; a change needs a new version."""


class EvidenceError(RefusedError):
    """Something that a release refers to is missing, or not what it refers to."""


class NotReproducedError(FleetError):
    """A module that was compiled again from its release's graph is another one."""
