"""Who this device is, whom it trusts, and how often it has started: what must not be lost."""

from pathlib import Path
from typing import Annotated

from device_agent.errors import DamagedStoreError, NotClaimedError
from device_agent.slots.files import Files, replace_durably
from protocol.chunks import sha256
from protocol.confidential import wrapping_key
from protocol.enrolment import report_key
from protocol.errors import RefusedError
from protocol.message import Key, Message, Name
from protocol.trust import TrustState, Verifier

IDENTITY, TRUST, BOOTS = "identity", "trust", "boots"
_CHECKSUM = 32


class Identity(Message):
    """What a claim gives a device."""

    device: Annotated[Name, Key(1)]
    device_class: Annotated[Name, Key(2)]
    controller: Annotated[str, Key(3)]
    broker: Annotated[str, Key(4)]
    private: Annotated[bytes, Key(5)]
    """X25519, 32 bytes."""
    peer: Annotated[bytes, Key(6)]
    """The controller's X25519 public key."""
    authority: Annotated[bytes | None, Key(7)] = None
    """That signs certificates of devices and broker, X.509 in DER; None: claimed without a certificate."""
    api_certificate: Annotated[bytes | None, Key(8)] = None
    """Of the controller's API, as the invitation had it."""

    @property
    def report_key(self) -> bytes:
        """Key of reports and telemetry, 32 bytes."""
        return report_key(self.private, self.peer, self.device)

    def wrapping_key(self, manifest: bytes) -> bytes:
        """Key that the content key of the release with that manifest comes wrapped in, 32 bytes."""
        return wrapping_key(self.private, self.peer, self.device, manifest)


def save(files: Files, path: str, document: Message) -> None:
    """Write a document under its digest, durably."""
    encoded = document.encode()
    replace_durably(files, path, sha256(encoded) + encoded)


def _load(files: Files, path: str, root: Path) -> bytes | None:
    data = files.read(path)
    if data is None:
        return None
    if sha256(data[_CHECKSUM:]) != data[:_CHECKSUM]:
        raise DamagedStoreError(
            "the agent's memory of whom it trusts is damaged",
            where=str(root / path),
            remedy="enrol the device again: fleet enroll, then fleet-agent claim with a fresh --data",
        )
    return data[_CHECKSUM:]


def load(files: Files, root: Path) -> tuple[Identity, Verifier]:
    """Identity and trust of a claimed device.

    Args:
        files: The data folder.
        root: Its name, for messages.

    Raises:
        NotClaimedError: nothing was claimed here yet.
        DamagedStoreError: a file is not what was written.
    """
    try:
        identity, trust = _load(files, IDENTITY, root), _load(files, TRUST, root)
        if identity is None or trust is None:
            raise NotClaimedError(
                f"{root} holds no identity of a device",
                remedy="fleet-agent claim NAME.invite --data " + str(root),
            )
        return Identity.decode(identity), Verifier(TrustState.decode(trust))
    except RefusedError as error:
        raise DamagedStoreError(f"the agent's files are not readable: {error}", where=str(root)) from error


def count_boot(files: Files) -> int:
    """Count this start; the number never goes back, not over power cuts either."""
    data = files.read(BOOTS) or b""
    number = int.from_bytes(data, "big") + 1
    replace_durably(files, BOOTS, number.to_bytes(8, "big"))
    return number
