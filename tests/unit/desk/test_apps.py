"""`fleet app`: a key that stays on the desk, and one file for the program that asks."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from controller.delivery.authority import Authority
from protocol import access, api

V1 = "/api/v1"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def authority():
    return Authority.create(NOW)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def signing(controller, authority):
    """A controller that signs what it is asked for."""

    def sign(request):
        wish = access.AppCreate.model_validate_json(request.content)
        csr = bytes.fromhex(wish.request)
        certificate = authority.application(csr, wish.name, NOW, timedelta(days=wish.days))
        return app(wish.name, credentials(certificate, authority))

    controller.on("POST", f"{V1}/apps", sign, 201)
    return controller


def app(name, given):
    return access.NewApp(
        name=name, created=1_800_000_000, expires=1_831_536_000, broker="mqtts://b:8883", credentials=given
    )


def credentials(certificate, authority):
    return api.Credentials(
        certificate=certificate.public_bytes(Encoding.DER).hex(),
        authority=authority.certificate.public_bytes(Encoding.DER).hex(),
    )


def test_add_writes_one_private_file_and_says_how_to_go_on(fleet, signing, here):
    done = fleet("app", "add", "sorter", "--days", "30")
    assert (done.code, done.err) == (0, "")
    assert "sorter may ask every device until 2028-01-15" in done.out
    for words in ("mqtts://b:8883", "fleet/v1/d/DEVICE/infer/in", "fleet/v1/d/+/infer/out", "sorter.pem"):
        assert words in done.out
    (sent,) = signing.sent("POST", f"{V1}/apps")
    assert (sent["name"], sent["days"]) == ("sorter", 30)
    file = here / "sorter.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    key = load_pem_private_key(file.read_bytes(), None)
    own, issuer = x509.load_pem_x509_certificates(file.read_bytes())
    assert own.public_key() == key.public_key()
    own.verify_directly_issued_by(issuer)
    # As TLS libraries take it.
    tls = ssl.create_default_context(cafile=file)
    tls.load_cert_chain(file)
    assert key.private_numbers().private_value.to_bytes(32).hex() not in str(sent)


def test_json(fleet, signing, controller):
    assert fleet("app", "add", "sorter", "--out", "x.pem", "--json").json == {
        "name": "sorter", "created": 1_800_000_000, "expires": 1_831_536_000, "broker": "mqtts://b:8883",
        "file": "x.pem",
    }  # fmt: skip
    listed = [access.App(name="sorter", created=1_800_000_000, expires=1_831_536_000)]
    controller.on("GET", f"{V1}/apps", listed)
    assert fleet("app", "list", "--json").json == [item.model_dump() for item in listed]
    controller.on("DELETE", f"{V1}/apps/sorter", b"", 204)
    assert fleet("app", "remove", "sorter", "--json").json == {"removed": "sorter"}


def test_list_and_remove(fleet, controller):
    controller.on("GET", f"{V1}/apps", [])
    assert fleet("app", "list").out == "no applications. Next: fleet app add NAME\n"
    controller.on(
        "GET", f"{V1}/apps", [access.App(name="sorter", created=1_800_000_000, expires=1_831_536_000)]
    )
    assert fleet("app", "list").out.splitlines()[1].split() == ["sorter", "2027-01-15", "2028-01-15"]
    controller.on("DELETE", f"{V1}/apps/sorter", b"", 204)
    assert fleet("app", "remove", "sorter").out == "sorter may ask no device any more\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Sorter"], "'Sorter' is not a valid name"),
        (["app:sorter"], "'app:sorter' is not a valid name"),
        (["a" * 61], "at most 60 characters"),
        (["sorter", "--out", "no/such/x.pem"], "there is no folder no/such"),
        (["taken"], "taken.pem exists already"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(fleet, signing, here, words, told):
    (here / "taken.pem").write_text("dear")
    done = fleet("app", "add", *words)
    assert done.code == 3
    assert told in done.err
    assert not signing.requests
    assert (here / "taken.pem").read_text() == "dear"


def test_a_file_that_cannot_be_written(fleet, signing, here):
    (here / "x.pem").symlink_to(here / "gone" / "x.pem")
    done = fleet("app", "add", "sorter", "--out", "x.pem")
    assert done.code == 3
    assert "sorter is admitted, but its key cannot be written" in done.err
    assert "fleet app remove sorter" in done.err


def test_a_certificate_that_is_not_ours_is_not_written(fleet, controller, authority, here):
    other = Authority.create(NOW)
    strange = [
        credentials(authority.controller(authority.certificate.public_key(), NOW), authority),
        credentials(authority.controller(authority.certificate.public_key(), NOW), other),
        api.Credentials(certificate="00", authority="00"),
    ]
    for given in strange:
        controller.on("POST", f"{V1}/apps", app("sorter", given), 201)
        done = fleet("app", "add", "sorter")
        assert done.code == 1
        assert "the controller's certificate cannot be used" in done.err
        assert not list(here.glob("*.pem"))
