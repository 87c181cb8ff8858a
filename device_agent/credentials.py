"""Who the device is at the broker: its own P-256 key and certificate, renewed before it expires."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from device_agent.controller import post
from device_agent.errors import ClaimError, DamagedStoreError
from device_agent.identity import Identity
from device_agent.slots.files import Files, replace_durably
from protocol import cose
from protocol.enrolment import RENEWAL, Renewal, report_key_id

CREDENTIALS = "credentials.pem"
"""Certificate and key in one file, so that a power cut leaves a pair that belongs together."""


def make_request(device: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A new key, and the request for its certificate: PKCS #10 in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return key, request.public_bytes(Encoding.DER)


def keep(files: Files, key: ec.EllipticCurvePrivateKey, answer: object, where: str) -> bytes:
    """Store what the controller answered to a request, if it is an answer to this one.

    Args:
        files: The data folder.
        key: The request's.
        answer: `protocol.api.Credentials`, as JSON.
        where: Who answered, for messages.

    Returns:
        The authority's certificate, DER.

    Raises:
        ClaimError: it is not a certificate of this key by the authority beside it.
    """
    try:
        certificate, authority = _read(answer, key)
    except (KeyError, ValueError, TypeError, InvalidSignature) as error:
        raise ClaimError(f"the controller's answer makes no sense: {error}", where=where) from error
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_durably(files, CREDENTIALS, certificate.public_bytes(Encoding.PEM) + secret)
    return authority.public_bytes(Encoding.DER)


def _read(answer: object, key: ec.EllipticCurvePrivateKey) -> tuple[x509.Certificate, x509.Certificate]:
    if not isinstance(answer, dict):
        raise TypeError("there is no certificate in it")
    certificate = x509.load_der_x509_certificate(bytes.fromhex(answer["certificate"]))
    authority = x509.load_der_x509_certificate(bytes.fromhex(answer["authority"]))
    if certificate.public_key() != key.public_key():
        raise ValueError("the certificate is of another key")
    certificate.verify_directly_issued_by(authority)
    return certificate, authority


class Credentials:
    """What the device shows to the broker.

    Args:
        files: The data folder.
        root: Its name.
        identity: What the claim gave.

    Raises:
        DamagedStoreError: the certificate cannot be read.
    """

    def __init__(self, files: Files, root: Path, identity: Identity) -> None:
        self._files, self._root, self._identity = files, root, identity
        self._certificate: x509.Certificate | None = None
        self.tls: ssl.SSLContext | None = None
        if identity.authority is not None:
            self._load(identity.authority)

    def _load(self, authority: bytes) -> None:
        path = self._root / CREDENTIALS
        try:
            self._certificate = x509.load_pem_x509_certificate(self._files.read(CREDENTIALS) or b"")
            self.tls = self.tls or ssl.create_default_context(cadata=authority)
            self.tls.load_cert_chain(path)
        except (OSError, ValueError) as error:
            raise DamagedStoreError(
                f"the device's certificate cannot be read: {error}",
                where=str(path),
                remedy="enrol the device again: fleet enroll, then fleet-agent claim with a fresh --data",
            ) from error

    @property
    def expires(self) -> datetime | None:
        """When the certificate expires; None without one."""
        return self._certificate.not_valid_after_utc if self._certificate else None

    def is_due(self, now: float) -> bool:
        """Whether two thirds of the certificate's life have passed at `now`, seconds since 1970."""
        if self._certificate is None:
            return False
        begin, end = self._certificate.not_valid_before_utc, self._certificate.not_valid_after_utc
        return datetime.fromtimestamp(now, UTC) >= begin + (end - begin) * 2 / 3

    def renew(self) -> None:
        """Ask for a new certificate, of a new key; connections made from then on show it.

        The request is authenticated by the report key, so that it works after the old one has expired.

        Raises:
            ClaimError: the controller does not answer, or refuses.
            DiskFullError: there is no room; the old one is intact.
        """
        identity = self._identity
        if identity.authority is None:
            return
        key, request = make_request(identity.device)
        renewal = Renewal(device=identity.device, request=request).encode()
        secret = identity.report_key
        url = f"{identity.controller.rstrip('/')}/api/v1/devices/{identity.device}/certificate"
        document = cose.mac0(RENEWAL, renewal, secret, report_key_id(secret))
        answer = post(url, {"renewal": document.hex()}, identity.api_certificate, "renewal")
        keep(self._files, key, answer, url)
        self._load(identity.authority)
