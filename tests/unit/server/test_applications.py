"""Applications: their certificates, what brokers are told of them, and their end."""

from datetime import UTC, datetime

import pytest
from cryptography import x509

from controller.api import make_app
from controller.delivery.access import MOSQUITTO_ACL, NATS_USERS, REVOKED, Access, run_reload
from controller.delivery.authority import uri_of
from controller.service import ConflictError, NotFoundError
from protocol.access import AppCreate
from protocol.errors import FleetError, RefusedError
from tests.support.asgi import client as client_of
from tests.unit.server.test_identities import damaged, request

DAY = 86400


@pytest.fixture
def access(fleet, monkeypatch):
    made = Access(fleet.folder / "access", ["127.0.0.1"], datetime.fromtimestamp(fleet.now, UTC))
    made.kicked = []
    monkeypatch.setattr(made, "cut_off", lambda users, *_: made.kicked.extend(users))
    fleet.service.context.access = made
    fleet.service.context.publisher.url = "mqtts://127.0.0.1:1"
    return made


def add(fleet, name="sorter", days=30):
    wish = AppCreate(name=name, days=days, request=request("whatever").hex())
    made = fleet.service.applications.create(wish)
    return made, x509.load_der_x509_certificate(bytes.fromhex(made.credentials.certificate))


def names(fleet):
    return [app.name for app in fleet.service.applications.list()]


def read(access, file):
    return (access.folder / file).read_text()


def is_revoked(access, certificate):
    listed = x509.load_pem_x509_crl((access.folder / REVOKED).read_bytes())
    return listed.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def test_it_gets_a_certificate_and_the_brokers_its_permissions(fleet, access):
    assert "user app:" not in read(access, MOSQUITTO_ACL)
    made, certificate = add(fleet)
    assert certificate.subject.rfc4514_string() == "CN=app:sorter"
    assert uri_of(certificate).startswith("urn:fleet:app:sorter:")
    certificate.verify_directly_issued_by(access.authority.certificate)
    assert made.expires == certificate.not_valid_after_utc.timestamp() == fleet.now + 30 * DAY
    assert made.broker == "mqtts://127.0.0.1:1"
    assert names(fleet) == ["sorter"]
    block = read(access, MOSQUITTO_ACL).partition("user app:sorter\n")[2].splitlines()
    assert [line for line in block if "deny" not in line] == [
        "topic read fleet/v1/d/+/infer/out", "topic write fleet/v1/d/+/infer/in",
    ]  # fmt: skip
    user = next(line for line in read(access, NATS_USERS).splitlines() if uri_of(certificate) in line)
    assert 'publish: { allow: ["fleet.v1.d.*.infer.in"] }' in user
    assert 'subscribe: { allow: ["fleet.v1.d.*.infer.out"] }' in user


def test_a_name_is_one_applications_and_a_later_one_of_it_is_another(fleet, access):
    _, first = add(fleet)
    with pytest.raises(ConflictError, match="an application sorter already"):
        add(fleet)
    fleet.service.applications.remove("sorter")
    _, second = add(fleet)
    assert uri_of(first) != uri_of(second)
    assert is_revoked(access, first)
    assert not is_revoked(access, second)
    assert "topic write fleet/v1/d/+/infer/in" in read(access, MOSQUITTO_ACL)


def test_who_is_removed_is_revoked_and_cut_off(fleet, access):
    (_, gone), (_, stays) = add(fleet, "gone"), add(fleet, "stays")
    fleet.service.applications.remove("gone")
    assert names(fleet) == ["stays"]
    assert (is_revoked(access, gone), is_revoked(access, stays)) == (True, False)
    assert uri_of(gone) not in read(access, NATS_USERS)
    assert uri_of(stays) in read(access, NATS_USERS)
    assert "user app:gone\ntopic deny fleet/v1/#\n" in read(access, MOSQUITTO_ACL)
    assert access.kicked == ["app:gone"]
    with pytest.raises(NotFoundError, match="no application gone"):
        fleet.service.applications.remove("gone")
    # A controller that starts does it again: it may have been killed before.
    fleet.service.identities.cut_off_all()
    assert access.kicked == ["app:gone", "app:gone"]


def test_who_expires_is_cut_off_and_forgotten_a_day_later(fleet, access):
    add(fleet, "long", days=60)
    add(fleet, "short", days=30)
    fleet.service.applications.tick()
    assert not access.kicked
    fleet.now += 30 * DAY
    assert names(fleet) == ["long"]
    fleet.service.applications.tick()
    fleet.service.applications.tick()
    assert access.kicked == ["app:short"]
    assert "user app:short\ntopic deny fleet/v1/#\n" in read(access, MOSQUITTO_ACL)
    fleet.now += DAY
    fleet.service.applications.tick()
    fleet.service.identities.refresh()
    assert "app:short" not in read(access, MOSQUITTO_ACL)
    assert "app:long" in read(access, MOSQUITTO_ACL)


def test_a_broker_that_asks_for_no_certificate_is_said_to(fleet):
    with pytest.raises(ConflictError, match="asks nobody for a certificate") as caught:
        add(fleet)
    assert "--mqtt-tls" in caught.value.remedy


@pytest.mark.parametrize("bad", [b"", damaged()], ids=["empty", "signature"])
def test_requests_that_are_not_sound(fleet, access, bad):
    with pytest.raises(RefusedError, match="the certificate request of app:sorter"):
        fleet.service.applications.create(AppCreate(name="sorter", request=bad.hex()))
    assert names(fleet) == []


def test_a_reload_that_fails_is_told_and_the_application_is_revoked(fleet, access):
    _, certificate = add(fleet)
    access.reload = lambda: run_reload("sh -c 'echo no such unit >&2; exit 5'")
    with pytest.raises(FleetError, match="the broker was not told: no such unit"):
        fleet.service.applications.remove("sorter")
    assert names(fleet) == []
    assert is_revoked(access, certificate)


@pytest.mark.usefixtures("access")
def test_over_the_api_and_in_the_audit_log(fleet):
    with client_of(make_app(fleet.service, "owner's"), "owner's") as client:
        for name in ("a" * 61, "app:sorter", "../x"):
            wish = {"name": name, "request": request().hex()}
            assert client.post("/api/v1/apps", json=wish).status_code == 422
        made = client.post("/api/v1/apps", json={"name": "a" * 60, "request": request().hex()})
        assert made.status_code == 201
        assert [app["name"] for app in client.get("/api/v1/apps").json()] == ["a" * 60]
        assert client.delete(f"/api/v1/apps/{'a' * 60}").status_code == 204
        assert client.delete(f"/api/v1/apps/{'a' * 60}").status_code == 404
        entries = client.get("/api/v1/audit").json()["items"]
    assert [(entry["action"], entry["text"]) for entry in entries] == [
        ("app", f"added {'a' * 60}, for 365 days"), ("app", f"removed {'a' * 60}"),
    ]  # fmt: skip
