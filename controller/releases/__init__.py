"""Making releases: cutting a build into blobs, recording golden cases, signing, publishing."""

from controller.releases.errors import TargetsDifferError, VersionTakenError
from controller.releases.pack import Built, Source, pack
from controller.releases.package import DamagedPackageError, Package
from controller.releases.publish import Publication, publish

__all__ = [
    "Built",
    "DamagedPackageError",
    "Package",
    "Publication",
    "Source",
    "TargetsDifferError",
    "VersionTakenError",
    "pack",
    "publish",
]
