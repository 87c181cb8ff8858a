"""The small certificate authority that gives everyone at the broker an identity (X.509, P-256).

Pure: time is passed in, files are someone else's. Of a request only the key counts; the name is the one
that a device claimed or an operator gave.
"""

import ipaddress
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.chunks import sha256
from protocol.errors import RefusedError

CONTROLLER = "fleet_controller"
"""User name of the controller at the broker; the underscore keeps it apart from every device."""
CONTROLLER_URI = "urn:fleet:controller"

LIFETIME = timedelta(days=90)
"""Of the certificates of devices, controller and broker."""
_EARLIER = timedelta(days=1)
"""Certificates hold from a day before they are made: clocks differ."""
_AUTHORITY_LIFETIME = timedelta(days=365 * 20)


def device_uri(device: str, public_key: bytes) -> str:
    """The identity of one enrolment: a device that is enrolled anew under an old name is another one.

    Args:
        device: Its name.
        public_key: The X25519 key that it claimed its place with.
    """
    return f"urn:fleet:device:{device}:{sha256(public_key)[:8].hex()}"


def app_user(name: str) -> str:
    """Common name of an application's certificate; the colon keeps it apart from every device."""
    return f"app:{name}"


def uri_of(certificate: x509.Certificate) -> str:
    """The identity that a client's certificate holds."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PKCS #8 in PEM; whoever writes it sees to its mode."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def renewal_time(certificate: x509.Certificate) -> datetime:
    """When two thirds of a certificate's life have passed."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


class Authority:
    """Signs certificates and revocations.

    Args:
        key: Its private key.
        certificate: Its own certificate.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate

    @classmethod
    def create(cls, now: datetime) -> "Authority":
        """A new authority; the key in its name tells two of them apart."""
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        name = _name(f"fleet {identifier.digest[:4].hex()}")
        certificate = (
            _builder(name, name, key.public_key(), now, _AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def from_pem(cls, key: bytes, certificate: bytes) -> "Authority":
        """Read what `key_pem` and `pem` gave.

        Raises:
            ValueError: it is not a P-256 key and its certificate.
        """
        private, public = load_pem_private_key(key, None), x509.load_pem_x509_certificate(certificate)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is not of P-256")  # noqa: TRY004 - of the data, not of the program
        if private.public_key() != public.public_key():
            raise ValueError("key and certificate do not belong together")
        return cls(private, public)

    @property
    def key_pem(self) -> bytes:
        """The private key, PEM."""
        return key_pem(self._key)

    @property
    def pem(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def device(
        self,
        request: bytes,
        device: str,
        public_key: bytes,
        now: datetime,
        lifetime: timedelta = LIFETIME,
    ) -> x509.Certificate:
        """Sign a device's request.

        Args:
            request: PKCS #10 in DER.
            device: Its name, which becomes the common name whatever the request says.
            public_key: See `device_uri`.
            now: The moment.
            lifetime: How long it holds from then on.

        Raises:
            RefusedError: not a request, not of P-256, or not signed by its own key.
        """
        return self._client(_key_of(request, device), device, device_uri(device, public_key), now, lifetime)

    def application(self, request: bytes, name: str, now: datetime, lifetime: timedelta) -> x509.Certificate:
        """Sign an application's request, as one that is told from every other of the same name.

        Args:
            request: PKCS #10 in DER.
            name: Of the application, whatever the request says.
            now: The moment.
            lifetime: How long it holds from then on.

        Raises:
            RefusedError: as `device`.
        """
        user = app_user(name)
        # Not of its key, which somebody could bring again after it was stolen and the application removed.
        uri = f"urn:fleet:{user}:{secrets.token_hex(8)}"
        return self._client(_key_of(request, user), user, uri, now, lifetime)

    def controller(self, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.Certificate:
        """The controller's own, as a client of the broker."""
        return self._client(key, CONTROLLER, CONTROLLER_URI, now, LIFETIME)

    def _client(
        self, key: ec.EllipticCurvePublicKey, name: str, uri: str, now: datetime, lifetime: timedelta
    ) -> x509.Certificate:
        others = [x509.UniformResourceIdentifier(uri)]
        return self._sign(key, name, others, ExtendedKeyUsageOID.CLIENT_AUTH, now, lifetime)

    def server(self, key: ec.EllipticCurvePublicKey, hosts: Iterable[str], now: datetime) -> x509.Certificate:
        """The broker's, for every name and address it is reached by."""
        names = [_host(host) for host in hosts]
        return self._sign(key, "fleet_broker", names, ExtendedKeyUsageOID.SERVER_AUTH, now, LIFETIME)

    def _sign(  # noqa: PLR0913, PLR0917 - what a certificate says
        self,
        key: ec.EllipticCurvePublicKey,
        name: str,
        others: Iterable[x509.GeneralName],
        purpose: x509.ObjectIdentifier,
        now: datetime,
        lifetime: timedelta,
    ) -> x509.Certificate:
        return (
            _builder(_name(name), self.certificate.subject, key, now, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            # Without its purpose, a device's certificate would do for a false broker.
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
            .add_extension(x509.SubjectAlternativeName(others), critical=False)
            .add_extension(self._identifier(), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    def revocations(self, serials: Iterable[int], now: datetime) -> bytes:
        """The list of certificates that hold no longer, PEM.

        It does not run out before the authority: a broker refuses everyone once its list has run out.
        """
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _EARLIER)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(self._identifier(), critical=False)
        )
        for serial in sorted(serials):
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _EARLIER).build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _key_of(request: bytes, user: str) -> ec.EllipticCurvePublicKey:
    """The key of a sound request; nothing else in it counts."""
    try:
        wish = x509.load_der_x509_csr(request)
        key, good = wish.public_key(), wish.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise RefusedError(f"the certificate request of {user} cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RefusedError(f"the certificate request of {user} is not for a P-256 key")
    if not good:
        raise RefusedError(f"the certificate request of {user} is not signed by its own key")
    return key


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificateIssuerPublicKeyTypes,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _EARLIER)
        .not_valid_after(now.astimezone(UTC) + lifetime)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
