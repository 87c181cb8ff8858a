"""MQTT topics; the table in `docs/spec/delivery.md` says who writes what."""

import re

from protocol.errors import InputError
from protocol.message import NAME_PATTERN

PREFIX = "fleet/v1"
DEVICE_READS = frozenset({"desired", "time", "cmd", "infer/in"})
DEVICE_WRITES = frozenset({"reported", "presence", "nonce", "result", "telemetry", "log", "infer/out"})
DEVICE_LEAVES = DEVICE_READS | DEVICE_WRITES
SHARED_READS = frozenset({"root", "manifest", "chunk"})
"""What every device reads: `fleet/v1/root/<n>` and so on."""
APP_READS, APP_WRITES = frozenset({"infer/out"}), frozenset({"infer/in"})
"""What an application reads and writes of every device."""
_NAME = re.compile(NAME_PATTERN)


class BadNameError(InputError):
    """A name that could not be a topic level, a certificate name and a folder alike."""


def check_name(name: str, what: str = "name") -> str:
    """Return `name` if it is legal.

    Raises:
        BadNameError: it is not; `what` says of which thing.
    """
    if not _NAME.fullmatch(name):
        raise BadNameError(
            f"{name!r} is not a valid {what}",
            remedy="use 1 to 63 of a-z, 0-9 and -, beginning with a letter or a digit",
        )
    return name


def root(version: int) -> str:
    """Retained root of the given version."""
    return f"{PREFIX}/root/{version}"


def manifest(digest: bytes) -> str:
    """Retained manifest, named by the SHA-256 of its payload."""
    return f"{PREFIX}/manifest/{digest.hex()}"


def chunk(digest: bytes) -> str:
    """Retained chunk or index page, named by the SHA-256 of its bytes."""
    return f"{PREFIX}/chunk/{digest.hex()}"


def device(name: str, leaf: str) -> str:
    """A device's own topic; `leaf` is one of `DEVICE_LEAVES`."""
    if leaf not in DEVICE_LEAVES:
        raise ValueError(leaf)
    return f"{PREFIX}/d/{check_name(name, 'device name')}/{leaf}"


def every_device(leaf: str) -> str:
    """Subscription for one leaf of all devices."""
    if leaf not in DEVICE_LEAVES:
        raise ValueError(leaf)
    return f"{PREFIX}/d/+/{leaf}"


def parse_device(topic: str) -> tuple[str, str] | None:
    """Split a device's topic into (device, leaf); None when it is not one."""
    parts = topic.split("/", 4)
    if len(parts) != 5 or "/".join(parts[:3]) != f"{PREFIX}/d":
        return None
    name, leaf = parts[3:]
    return (name, leaf) if leaf in DEVICE_LEAVES and _NAME.fullmatch(name) else None
