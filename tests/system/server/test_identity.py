"""What certificates, permissions and revocation are worth on brokers that `deploy/` configures."""

import contextlib
import os
import signal
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from controller.delivery.access import Access
from controller.delivery.authority import uri_of
from protocol import topics
from tests.support.brokers import KINDS
from tests.support.director import wait_until
from tests.support.secured import Client, Holder, SecuredBroker

ONE, TWO = bytes([1] * 32), bytes([2] * 32)
APPS = {"app:asker", "app:other"}


class Place:
    """A broker, its access files, and who is connected."""

    def __init__(self, kind, folder, stack):
        self.kind, self.folder, self._stack = kind, folder, stack
        self.access = Access(folder / "access", ["127.0.0.1"], datetime.now(UTC))
        stack.callback(self.access.close)
        self.devices = {"dev-1": ONE, "dev-2": TWO}
        self.asker, self.other = (Holder(self.access, name, None, folder) for name in ("asker", "other"))
        self.apps = {"asker": uri_of(self.asker.certificate), "other": uri_of(self.other.certificate)}
        self.write()
        self.broker = SecuredBroker(kind, folder / "broker", self.access.folder)
        stack.callback(self.broker.stop)
        self.access.reload = lambda: os.kill(self.broker.pid, signal.SIGHUP)
        self.one = Holder(self.access, "dev-1", ONE, folder)
        self.two = Holder(self.access, "dev-2", TWO, folder)
        self.controller = self.client("fleet_controller", self.access.context()).joined()

    def write(self, *revoked):
        """Who may connect, as `self.devices` and `self.apps` have it now."""
        serials = [holder.certificate.serial_number for holder in revoked]
        self.access.write(self.devices, self.apps, serials, datetime.now(UTC))

    def client(self, name, tls):
        made = Client(self.broker.port, name, tls)
        self._stack.callback(made.close)
        return made

    def joined(self, holder):
        return self.client(holder.name, holder.tls).joined()

    def settled(self, *clients):
        """Whatever was published before has been delivered to everyone who may hear it."""
        for client in clients:
            device, leaf = ("dev-2", "infer/out") if client.name in APPS else (client.name, "time")
            mark = topics.device(device, leaf)
            client.subscribe(mark)
            self.controller.publish(mark, b"mark", retain=False)
            wait_until(lambda client=client, mark=mark: mark in client.seen, "the mark is heard")


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    with contextlib.ExitStack() as stack:
        yield Place(request.param, tmp_path, stack)


OWN_READS = [topics.device("dev-1", leaf) for leaf in sorted(topics.DEVICE_READS)]
SHARED = [topics.root(1), topics.manifest(ONE), topics.chunk(TWO)]


def test_a_device_reads_what_is_meant_for_it(place):
    device = place.joined(place.one)
    device.subscribe(*OWN_READS, *SHARED)
    for name in OWN_READS + SHARED:
        place.controller.publish(name, name.encode())
    wait_until(lambda: device.seen.keys() == {*OWN_READS, *SHARED}, "all is heard")
    late = place.joined(place.two)
    late.subscribe(*SHARED)
    wait_until(lambda: late.seen.keys() == {*SHARED}, "what is retained is heard")


def test_a_device_writes_what_it_says(place):
    names = [topics.device("dev-1", leaf) for leaf in sorted(topics.DEVICE_WRITES)]
    place.controller.subscribe("fleet/v1/d/#")
    device = place.joined(place.one)
    for name in names:
        device.publish(name, name.encode())
    wait_until(lambda: place.controller.seen.keys() == set(names), "all is heard")


def test_a_device_reads_nothing_of_another(place):
    others = [topics.device("dev-2", leaf) for leaf in sorted(topics.DEVICE_LEAVES)]
    for name in others:
        place.controller.publish(name, b"secret")
    for wish in [*others, "fleet/v1/d/+/reported", "fleet/v1/d/#", "fleet/#", "#", "+/v1/d/dev-2/desired"]:
        spy = place.client("dev-1", place.one.tls).joined()
        spy.subscribe(wish)
        for name in others:
            place.controller.publish(name, b"secret, live")
        if not spy.lost.is_set():
            place.settled(spy)
        assert not spy.seen.keys() & set(others), wish
        spy.close()


def test_a_device_writes_nothing_of_another_nor_blobs(place):
    foreign = [topics.device("dev-2", leaf) for leaf in sorted(topics.DEVICE_LEAVES)]
    forbidden = [*foreign, *SHARED, *OWN_READS, "fleet/v1/d/dev-1/other", "elsewhere"]
    place.controller.subscribe("#")
    for name in forbidden:
        device = place.joined(place.one)
        device.publish(name, b"forged")
        device.close()
    last = place.joined(place.one)
    last.publish(topics.device("dev-1", "log"), b"last")
    wait_until(lambda: topics.device("dev-1", "log") in place.controller.seen, "the last is heard")
    assert not place.controller.seen.keys() & set(forbidden)
    place.controller.close()
    late = place.client("fleet_controller", place.access.context()).joined()
    late.subscribe(*forbidden)
    assert late.connected.is_set()
    assert not late.seen
    assert not late.lost.is_set()


def test_a_last_will_cannot_speak_for_another(place):
    place.controller.subscribe("fleet/v1/d/#")
    device = place.client("dev-1", place.one.tls)
    device.will(topics.device("dev-2", "presence"), b"offline")
    device.connect()
    wait_until(lambda: device.connected.is_set() or device.lost.is_set(), "the broker answers")
    device.break_off()
    last = place.joined(place.one)
    last.publish(topics.device("dev-1", "log"), b"last")
    wait_until(lambda: topics.device("dev-1", "log") in place.controller.seen, "the last is heard")
    assert topics.device("dev-2", "presence") not in place.controller.seen


QUESTION, ANSWER = topics.device("dev-1", "infer/in"), topics.device("dev-1", "infer/out")
ANSWERS = topics.every_device("infer/out")


def test_an_application_asks_a_device_and_hears_the_answer(place):
    one, two = place.joined(place.one), place.joined(place.two)
    asker, other = place.joined(place.asker), place.joined(place.other)
    one.subscribe(QUESTION)
    two.subscribe(QUESTION)
    asker.subscribe(ANSWERS)
    other.subscribe(QUESTION, topics.every_device("infer/in"))
    asker.publish(QUESTION, b"what is it?", retain=False)
    wait_until(lambda: one.seen.get(QUESTION) == b"what is it?", "the device is asked")
    one.publish(ANSWER, b"a carrot", retain=False)
    wait_until(lambda: asker.seen.get(ANSWER) == b"a carrot", "the answer is heard")
    for bystander in (two, other):
        if not bystander.lost.is_set():
            place.settled(bystander)
        assert QUESTION not in bystander.seen


NOT_OF_APPS = [topics.device("dev-1", leaf) for leaf in sorted(topics.DEVICE_LEAVES)] + SHARED


def test_an_application_writes_nothing_but_questions(place):
    own = f"fleet/v1/d/{place.asker.name}/log"
    forbidden = [
        name for name in [*NOT_OF_APPS, own, "fleet/v1/d/dev-1/other", "elsewhere"] if name != QUESTION
    ]
    place.controller.subscribe("#")
    for name in forbidden:
        asker = place.joined(place.asker)
        asker.publish(name, b"forged")
        asker.close()
    will = place.client(place.asker.name, place.asker.tls)
    will.will(topics.device("dev-1", "presence"), b"offline")
    will.connect()
    wait_until(lambda: will.connected.is_set() or will.lost.is_set(), "the broker answers")
    will.break_off()
    place.joined(place.asker).publish(QUESTION, b"last", retain=False)
    wait_until(lambda: QUESTION in place.controller.seen, "the last is heard")
    assert not place.controller.seen.keys() & set(forbidden)


def test_an_application_reads_nothing_but_answers(place):
    own = f"fleet/v1/d/{place.asker.name}/desired"
    forbidden = [name for name in [*NOT_OF_APPS, own] if name != ANSWER]
    for name in forbidden:
        place.controller.publish(name, b"secret")
    for wish in [*forbidden, "fleet/v1/d/+/reported", "fleet/v1/d/#", "fleet/v1/chunk/+", "fleet/#", "#"]:
        spy = place.client(place.asker.name, place.asker.tls).joined()
        spy.subscribe(wish)
        for name in forbidden:
            place.controller.publish(name, b"secret, live")
        if not spy.lost.is_set():
            place.settled(spy)
        assert not spy.seen.keys() & set(forbidden), wish
        spy.close()


def test_a_removed_application_is_cut_off_within_a_minute(place):
    asker, other = place.joined(place.asker), place.joined(place.other)
    place.apps["asker"] = None
    place.write(place.asker)
    place.access.cut_off([place.asker.name], place.broker.url, datetime.now(UTC))
    assert asker.lost.wait(60)
    wait_until(lambda: not admitted(place, place.asker) and not asker.is_connected, "it stays outside")
    place.access.close()
    asker.connected.clear()
    assert not asker.connected.wait(2.5)
    assert not other.lost.is_set()
    place.settled(other)


def test_a_removed_application_may_do_nothing_before_it_is_cut_off(place):
    asker, device = place.joined(place.asker), place.joined(place.one)
    device.subscribe(QUESTION)
    place.controller.publish(SHARED[2], b"a chunk")
    place.apps["asker"] = None
    place.write(place.asker)
    if place.kind == "mosquitto":
        # It reads its revocations for new connections only.
        log = place.folder / "broker" / "broker.log"
        wait_until(lambda: "Reloading config" in log.read_text(), "the broker reads its files again")
        asker.publish(QUESTION, b"one more?", retain=False)
        asker.subscribe(*SHARED, ANSWERS, "#")
        assert not asker.lost.is_set()
    else:
        assert asker.lost.wait(20)
    place.settled(device)
    assert QUESTION not in device.seen
    assert not asker.seen


def test_an_old_certificate_does_not_come_back_with_a_new_application_of_its_name(place):
    new = Holder(place.access, "asker", None, place.folder)
    place.apps["asker"] = uri_of(new.certificate)
    place.write(place.asker)
    wait_until(lambda: not admitted(place, place.asker), "the old one is refused")
    asker = place.joined(new)
    place.settled(asker)


def stranger(folder):
    other = Access(folder / "other", ["127.0.0.1"], datetime.now(UTC))
    holder = Holder(other, "dev-1", ONE, folder / "other")
    holder.tls.load_verify_locations(folder / "access" / "ca.pem")
    return holder.tls


def without_certificate(folder):
    return ssl.create_default_context(cafile=folder / "access" / "ca.pem")


@pytest.mark.parametrize("tls", [stranger, without_certificate, lambda _folder: None])
def test_who_has_no_certificate_of_ours_is_not_admitted(place, tls):
    client = place.client("dev-1", tls(place.folder)).connect()
    inside = place.joined(place.two)
    place.settled(inside)
    assert not client.connected.wait(1)


def test_a_device_is_no_broker(place):
    """Its certificate is of the same authority, but not for this purpose."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(place.one.file)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = place.two.tls.wrap_bio(out, into, server_hostname="127.0.0.1")
    false = server.wrap_bio(into, out, server_side=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        shake_hands(client, false)


def shake_hands(*sides):
    for _ in range(10):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()


def test_a_revoked_device_is_cut_off_within_a_minute(place):
    place.controller.subscribe("fleet/v1/d/dev-1/log")
    device, other = place.joined(place.one), place.joined(place.two)
    device.subscribe(topics.device("dev-1", "desired"))
    began = time.monotonic()
    del place.devices["dev-1"]
    place.write(place.one)
    place.access.cut_off(["dev-1"], place.broker.url, datetime.now(UTC))
    assert device.lost.wait(60)
    seconds = time.monotonic() - began
    print(f"cut off after {seconds:.2f} s")  # noqa: T201 - shown by pytest -s
    assert seconds < 60
    # It tries again every second; from now on it is refused.
    wait_until(lambda: not admitted(place, place.one) and not device.is_connected, "it stays outside")
    place.access.close()
    device.connected.clear()
    assert not device.connected.wait(2.5)
    assert not other.lost.is_set()
    place.settled(other)


def test_an_old_certificate_does_not_come_back_with_a_new_device_of_its_name(place):
    place.devices["dev-1"] = bytes([9] * 32)
    place.write(place.one)
    wait_until(lambda: not admitted(place, place.one), "the old one is refused")
    new = Holder(place.access, "dev-1", bytes([9] * 32), place.folder)
    assert place.joined(new).connected.is_set()


def admitted(place, holder):
    client = place.client(holder.name, holder.tls).connect()
    wait_until(lambda: client.connected.is_set() or client.lost.is_set(), "the broker answers")
    client.close()
    return client.connected.is_set()


def served(place):
    """Serial number of the certificate that the broker shows."""
    # It is of the future, so it is looked at and not verified.
    look = ssl.create_default_context()
    look.check_hostname, look.verify_mode = False, ssl.CERT_NONE
    look.load_cert_chain(place.two.file)
    with (
        socket.create_connection(("127.0.0.1", place.broker.port), 5) as plain,
        look.wrap_socket(plain, server_hostname="127.0.0.1") as link,
    ):
        return x509.load_der_x509_certificate(link.getpeercert(binary_form=True)).serial_number


def test_the_brokers_own_certificate_is_renewed_without_a_pause(place):
    device, before = place.joined(place.two), served(place)
    place.access.renew(datetime.now(UTC) + timedelta(days=61))
    wait_until(lambda: served(place) != before, "the broker shows the new one")
    assert not device.lost.is_set()
    place.settled(device)
