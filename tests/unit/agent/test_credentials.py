"""A device's certificate: asked for, checked, renewed in time, on a clock that the test turns."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

import device_agent.credentials as module
from controller.delivery.authority import LIFETIME, Authority
from device_agent.credentials import CREDENTIALS, Credentials, keep, make_request
from device_agent.errors import ClaimError, DamagedStoreError
from device_agent.identity import Identity
from device_agent.link.client import Link
from device_agent.slots.files import DiskFiles
from protocol import api
from protocol.errors import FleetError, InputError
from tests.support.fleet import Fleet

HOST = "http://127.0.0.1:1"


@pytest.fixture
def fleet(tmp_path):
    (tmp_path / "server").mkdir()
    made = Fleet(tmp_path / "server")
    yield made
    made.close()


class Device:
    """A claimed device whose HTTP goes straight to the use cases."""

    def __init__(self, fleet, folder, name="gate-1"):
        self.fleet, self.folder, self.files = fleet, folder, DiskFiles(folder)
        self.fake = fleet.join(name)
        key, request = make_request(name)
        with fleet.service.context.transaction() as tx:
            given = fleet.service.identities.issue(tx, name, bytes.fromhex(self.fake.public), request)
        authority = keep(self.files, key, given.model_dump(), HOST)
        self.identity = Identity(
            device=name, device_class="linux", controller=HOST, broker="mqtts://127.0.0.1:1",
            private=self.fake.private.private_bytes_raw(), peer=fleet_public(fleet), authority=authority,
        )  # fmt: skip
        self.credentials = Credentials(self.files, folder, self.identity)

    def post(self, url, body, certificate, what):
        assert url == f"{HOST}/api/v1/devices/{self.identity.device}/certificate"
        assert certificate is None
        try:
            given = self.fleet.service.identities.renew(self.identity.device, api.RenewalRequest(**body))
        except FleetError as error:
            raise ClaimError(f"the controller refuses the {what}: {error.what}") from error
        return given.model_dump()

    def stored(self):
        return x509.load_pem_x509_certificate((self.folder / CREDENTIALS).read_bytes())


def fleet_public(fleet):
    key = X25519PrivateKey.from_private_bytes(fleet.service.context.exchange_key)
    return key.public_key().public_bytes_raw()


@pytest.fixture
def device(fleet, tmp_path, monkeypatch):
    made = Device(fleet, tmp_path / "agent")
    monkeypatch.setattr(module, "post", made.post)
    return made


def test_it_says_who_it_is_and_only_its_user_reads_the_key(device):
    certificate = device.stored()
    assert certificate.subject.rfc4514_string() == "CN=gate-1"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert stat.S_IMODE((device.folder / CREDENTIALS).stat().st_mode) == 0o600


def test_it_is_renewed_before_it_expires(device):
    before = device.stored()
    now = device.fleet.now
    assert not device.credentials.is_due(now)
    assert not device.credentials.is_due(now + timedelta(days=55).total_seconds())
    assert device.credentials.is_due(now + timedelta(days=61).total_seconds())
    device.fleet.now = now + int(timedelta(days=61).total_seconds())
    device.credentials.renew()
    after = device.stored()
    assert after.public_key() != before.public_key()
    assert after.not_valid_after_utc == datetime.fromtimestamp(device.fleet.now, UTC) + LIFETIME
    assert not device.credentials.is_due(device.fleet.now)
    again = Credentials(device.files, device.folder, device.identity)
    assert again.expires == after.not_valid_after_utc


def test_one_that_slept_until_it_had_expired_comes_back(device):
    device.fleet.now += int(timedelta(days=400).total_seconds())
    assert device.credentials.is_due(device.fleet.now)
    device.credentials.renew()
    assert not device.credentials.is_due(device.fleet.now)


def test_a_revoked_device_is_given_no_other(device):
    device.fleet.service.devices.delete("gate-1")
    before = device.stored()
    with pytest.raises(ClaimError, match="is not of gate-1 as it is enrolled"):
        device.credentials.renew()
    assert device.stored() == before


def test_another_device_cannot_renew_for_it(device, tmp_path, monkeypatch):
    other = Device(device.fleet, tmp_path / "other", "gate-2")
    monkeypatch.setattr(
        module,
        "post",
        lambda _url, body, *_: device.post(
            f"{HOST}/api/v1/devices/gate-1/certificate", body, None, "renewal"
        ),
    )
    with pytest.raises(ClaimError, match="is not of gate-1"):
        other.credentials.renew()


def test_certificates_without_end_are_refused(device):
    for _ in range(19):
        device.credentials.renew()
    with pytest.raises(ClaimError, match="holds 20 certificates already"):
        device.credentials.renew()


@pytest.mark.parametrize("spoil", ["another key", "another authority", "nothing", "no hex"])
def test_an_answer_that_is_none_is_not_stored(device, tmp_path, monkeypatch, spoil):
    good = device.post

    def post(*asked):
        answer = good(*asked)
        if spoil == "another key":
            answer["certificate"] = device.stored().public_bytes(Encoding.DER).hex()
        elif spoil == "another authority":
            stranger = Authority.create(datetime.now(UTC)).certificate
            answer["authority"] = stranger.public_bytes(Encoding.DER).hex()
        elif spoil == "nothing":
            answer = {}
        else:
            answer["certificate"] = "zz"
        return answer

    monkeypatch.setattr(module, "post", post)
    before = device.stored()
    with pytest.raises(ClaimError, match="makes no sense"):
        device.credentials.renew()
    assert device.stored() == before


def test_a_damaged_file_is_told_as_such(device):
    (device.folder / CREDENTIALS).write_bytes(b"not PEM")
    with pytest.raises(DamagedStoreError, match="certificate cannot be read"):
        Credentials(device.files, device.folder, device.identity)


def test_a_device_without_a_certificate_is_told_what_to_do():
    async def make():
        Link("gate-1", "mqtts://127.0.0.1:1", print, print)

    with pytest.raises(InputError, match="gate-1 has no certificate, and the broker asks for one"):
        asyncio.run(make())
