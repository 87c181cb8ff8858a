"""Redeeming an invitation: the device makes its key, the controller learns its public half."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from device_agent.errors import ClaimError
from device_agent.identity import IDENTITY, TRUST, Identity, save
from device_agent.slots.files import DiskFiles, replace_durably
from protocol.enrolment import Invitation
from protocol.errors import InputError, RefusedError
from protocol.trust import Verifier

_TIMEOUT_SECONDS = 15
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
    answer = _post(
        f"{invite.controller.rstrip('/')}/api/v1/devices/{invite.device}/claim",
        {"token": invite.token, "public_key": public.hex()},
        invite.certificate,
    )
    try:
        identity = Identity(
            device=invite.device,
            device_class=invite.device_class,
            controller=invite.controller,
            broker=str(answer["broker"]),
            private=private,
            peer=bytes.fromhex(str(answer["public_key"])),
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


def _trust(certificate: bytes | None) -> ssl.SSLContext:
    """The certificate that came with the invitation; without one, the system's authorities."""
    try:
        context = ssl.create_default_context(cadata=certificate)
    except (ssl.SSLError, ValueError) as error:
        raise InputError(
            f"the certificate of the invitation cannot be read: {error}",
            remedy="fleet enroll NAME writes one",
        ) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _post(url: str, body: dict[str, str], certificate: bytes | None) -> dict[str, object]:
    if not url.startswith(("http://", "https://")):
        raise InputError(
            f"{url!r} is not a controller's address", remedy="fleet enroll NAME writes a good one"
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(  # noqa: S310 - likewise
            request, timeout=_TIMEOUT_SECONDS, context=_trust(certificate)
        ) as answer:
            result = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            try:
                problem = json.load(error)
                what, remedy = str(problem["title"]), problem.get("remedy")
            except (ValueError, KeyError, TypeError):
                what, remedy = f"answer {error.code}", None
        raise ClaimError(f"the controller refuses the claim: {what}", where=url, remedy=remedy) from error
    except (OSError, ValueError) as error:
        raise ClaimError(
            f"no controller at {url} ({getattr(error, 'reason', error)})", remedy="start it: fleet up"
        ) from error
    if not isinstance(result, dict):
        raise ClaimError("the controller's answer makes no sense", where=url)
    return result
