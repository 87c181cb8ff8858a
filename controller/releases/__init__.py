"""Making releases: cutting a build into blobs, recording golden cases, signing, publishing."""

from controller.releases.errors import TargetsDifferError, VersionTakenError
from controller.releases.pack import pack
from controller.releases.package import DamagedPackageError, Package
from controller.releases.publish import Publication, prepare, publish

__all__ = [
    "DamagedPackageError",
    "Package",
    "Publication",
    "TargetsDifferError",
    "VersionTakenError",
    "pack",
    "prepare",
    "publish",
]
