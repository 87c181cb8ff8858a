"""What the controller signs for whom, what it revokes, and what it does when a broker cannot be told."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from controller.delivery.access import CLIENT, NATS_USERS, REVOKED, Access, run_reload
from controller.delivery.authority import CONTROLLER
from protocol import api, topics
from protocol.enrolment import Invitation
from protocol.errors import FleetError, InputError, RefusedError
from protocol.topics import BadNameError, check_name

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEY = bytes(32)


def request(name="gate-1", key=None):
    made = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(made, hashes.SHA256())
    return asked.public_bytes(Encoding.DER)


@pytest.fixture
def access(tmp_path):
    made = Access(tmp_path / "access", ["127.0.0.1"], NOW)
    yield made
    made.close()


def claim(fleet, name):
    enrolment = fleet.service.devices.enrol(api.DeviceCreate(name=name))
    invitation = Invitation.decode(bytes.fromhex(enrolment.invitation))
    asked = api.Claim(token=invitation.token, public_key=f"{len(name):064x}", request=request(name).hex())
    given = fleet.service.devices.claim(name, asked)
    return x509.load_der_x509_certificate(bytes.fromhex(given.credentials.certificate))


def test_the_name_is_the_claimed_one_whatever_the_request_says(access):
    made = access.authority.device(request(CONTROLLER), "gate-1", KEY, NOW)
    assert made.subject.rfc4514_string() == "CN=gate-1"
    made.verify_directly_issued_by(access.authority.certificate)


def test_no_device_can_have_the_controllers_name():
    with pytest.raises(BadNameError):
        check_name(CONTROLLER)


def damaged():
    good = bytearray(request())
    good[-1] ^= 1
    return bytes(good)


@pytest.mark.parametrize(
    "bad",
    [b"", b"no DER", damaged(), request(key=ec.generate_private_key(ec.SECP384R1())),
     request(key=rsa.generate_private_key(65537, 2048))],
    ids=["empty", "no DER", "signature", "P-384", "RSA"],
)  # fmt: skip
def test_requests_that_are_not_sound(access, bad):
    with pytest.raises(RefusedError, match="the certificate request of gate-1"):
        access.authority.device(bad, "gate-1", KEY, NOW)


def test_who_is_forgotten_is_revoked_until_the_certificate_expires(fleet, access):
    fleet.service.context.access = access
    gone, stays = claim(fleet, "gate-1"), claim(fleet, "gate-22")
    assert "urn:fleet:device:gate-1:" in (access.folder / NATS_USERS).read_text()
    fleet.service.devices.delete("gate-1")
    listed = x509.load_pem_x509_crl((access.folder / REVOKED).read_bytes())
    assert listed.is_signature_valid(access.authority.certificate.public_key())
    assert listed.get_revoked_certificate_by_serial_number(gone.serial_number) is not None
    assert listed.get_revoked_certificate_by_serial_number(stays.serial_number) is None
    users = (access.folder / NATS_USERS).read_text()
    assert "gate-1:" not in users
    assert "gate-22:" in users
    fleet.now += int(timedelta(days=91).total_seconds())
    claim(fleet, "gate-333")
    assert len(x509.load_pem_x509_crl((access.folder / REVOKED).read_bytes())) == 0


def test_a_reload_that_fails_is_told_and_the_device_is_forgotten(fleet, access):
    fleet.service.context.access = access
    claim(fleet, "gate-1")
    access.reload = lambda: run_reload("sh -c 'echo no such unit >&2; exit 5'")
    with pytest.raises(FleetError, match="the broker was not told: no such unit"):
        fleet.service.devices.delete("gate-1")
    with pytest.raises(InputError, match="there is no device gate-1"):
        fleet.service.devices.get("gate-1")


@pytest.mark.parametrize("command", ["/no/such/program", "sh -c 'exit 3'", "'unclosed"])
def test_commands_that_fail(command):
    with pytest.raises(FleetError, match="the broker was not told"):
        run_reload(command)


def test_a_damaged_authority(access):
    (access.folder / "ca.key").write_bytes(b"nothing")
    with pytest.raises(InputError, match="authority of the devices' certificates cannot be read"):
        Access(access.folder, ["127.0.0.1"], NOW)


def test_the_controllers_own_certificates_are_renewed_in_time(access):
    told = []
    access.reload = lambda: told.append(1)
    access.context()
    before = (access.folder / CLIENT).read_bytes()
    access.renew(NOW + timedelta(days=50))
    assert not told
    assert (access.folder / CLIENT).read_bytes() == before
    access.renew(NOW + timedelta(days=61))
    assert told == [1]
    renewed = x509.load_pem_x509_certificate((access.folder / CLIENT).read_bytes())
    assert renewed.not_valid_after_utc == NOW + timedelta(days=151)
    access.renew(NOW + timedelta(days=62))
    assert told == [1]


def test_the_authority_stays_over_starts_and_a_broker_that_moved_has_a_new_certificate(access):
    again = Access(access.folder, ["broker.example"], NOW)
    again.close()
    assert again.authority.pem == access.authority.pem
    server = x509.load_pem_x509_certificate((access.folder / "server.pem").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example"]


def test_every_leaf_has_one_writer():
    assert not topics.DEVICE_READS & topics.DEVICE_WRITES
