"""The key of a program that connects to the broker, and the certificate that the controller gives for it."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from controller.client.errors import BadAnswerError
from protocol.api import Credentials


def certificate_request() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A new P-256 key, and the request for its certificate: PKCS #10 in DER, without a name of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return key, request.public_bytes(Encoding.DER)


def pem(key: ec.EllipticCurvePrivateKey, credentials: Credentials) -> bytes:
    """Key, certificate and the fleet's authority in one file, as TLS libraries and MQTT clients read it.

    Raises:
        BadAnswerError: the certificate is not of this key, or not by the authority beside it.
    """
    try:
        certificate, authority = _read(key, credentials)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise BadAnswerError(
            f"the controller's certificate cannot be used: {error}",
            remedy="check that both ends have the same version: fleet --version",
        ) from error
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM)


def _read(
    key: ec.EllipticCurvePrivateKey, credentials: Credentials
) -> tuple[x509.Certificate, x509.Certificate]:
    certificate = x509.load_der_x509_certificate(bytes.fromhex(credentials.certificate))
    authority = x509.load_der_x509_certificate(bytes.fromhex(credentials.authority))
    certificate.verify_directly_issued_by(authority)
    if certificate.public_key() != key.public_key():
        raise ValueError("it is of another key")
    return certificate, authority
