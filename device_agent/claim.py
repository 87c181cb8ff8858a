"""Redeeming an invitation: the device makes its keys, the controller learns their public halves."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from device_agent.controller import post
from device_agent.credentials import keep, make_request
from device_agent.errors import ClaimError
from device_agent.identity import IDENTITY, TRUST, Identity, save
from device_agent.slots.files import DiskFiles, replace_durably
from protocol.enrolment import Invitation
from protocol.errors import InputError, RefusedError
from protocol.trust import Verifier

_PENDING_KEY = "x25519.key"


def claim(invitation: Path, data: Path) -> Identity:
    """Redeem an invitation and store what comes of it.

    The private key is stored before it is announced, so that a claim whose answer was lost can be repeated.

    Args:
        invitation: File written by `fleet enroll`.
        data: The agent's data folder.

    Raises:
        InputError: the file is not an invitation, or the folder has an identity already.
        ClaimError: the controller does not answer, or refuses.
    """
    try:
        invite = Invitation.decode(invitation.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {invitation}: {error.strerror}", remedy="fleet enroll NAME") from error
    except RefusedError as error:
        raise InputError(
            f"{invitation} is not an invitation: {error.what}", remedy="fleet enroll NAME writes one"
        ) from error
    files = DiskFiles(data)
    if files.read(IDENTITY) is not None:
        raise InputError(
            "this agent has an identity already", where=str(data), remedy="give another folder by --data"
        )
    verifier = Verifier.enrol(invite.device, invite.root)
    private = files.read(_PENDING_KEY)
    if private is None:
        private = X25519PrivateKey.generate().private_bytes_raw()
        replace_durably(files, _PENDING_KEY, private)
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    key, request = make_request(invite.device)
    answer = post(
        f"{invite.controller.rstrip('/')}/api/v1/devices/{invite.device}/claim",
        {"token": invite.token, "public_key": public.hex(), "request": request.hex()},
        invite.certificate,
        "claim",
    )
    authority = keep(files, key, answer.get("credentials"), invite.controller)
    try:
        identity = Identity(
            device=invite.device,
            device_class=invite.device_class,
            controller=invite.controller,
            broker=str(answer["broker"]),
            private=private,
            peer=bytes.fromhex(str(answer["public_key"])),
            authority=authority,
            api_certificate=invite.certificate,
        )
        _ = identity.report_key
    except (KeyError, ValueError) as error:
        raise ClaimError(
            f"the controller's answer makes no sense: {error}", where=invite.controller
        ) from error
    save(files, TRUST, verifier.state)
    save(files, IDENTITY, identity)
    files.remove(_PENDING_KEY)
    return identity
