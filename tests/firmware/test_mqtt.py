"""The C host's MQTT client, with sanitizers, against real brokers and against one that breaks every rule."""

import contextlib
import queue
import signal
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.firmware.machines import HOST
from tests.support.brokers import KINDS, Broker, running

ACCEPT = bytes.fromhex("20020000")
PATIENCE = 20.0
RECEIVE = 512
BIG = bytes(i * 31 >> 3 & 0xFF for i in range(65536))
"""What the client's `big` sends."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/net_client.c; sanitizers end it at the first thing that is wrong."""
    path = tmp_path_factory.mktemp("net") / "net_client"
    sources = [
        HOST / "tests/net_client.c",
        HOST / "ports/posix/sockets.c",
        *(HOST / "src/net").glob("mqtt*.c"),
    ]
    sources += [HOST / "src/base/fault.c", HOST / "src/base/format.c"]
    flags = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wvla", "-Werror"]
    flags += [
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        f"-I{HOST}/src",
        f"-I{HOST}/ports/posix",
    ]
    done = subprocess.run(["gcc", *flags, *sources, "-o", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


class Client:
    """The process, and the lines that it tells."""

    def __init__(
        self, program: Path, port: int, *commands: str, keep_alive: int = 10, timeout_ms: int = 2000
    ) -> None:
        options = ["127.0.0.1", port, 512, RECEIVE, keep_alive, timeout_ms, *commands]
        self.process = subprocess.Popen(
            [program, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip())

    def until(self, enough: Callable[[list[str]], bool], seconds: float = PATIENCE) -> None:
        """Waits for lines until there are enough."""
        deadline = time.monotonic() + seconds
        while not enough(self.lines):
            try:
                self.lines.append(self._queue.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(self.lines[-30:]) from None

    def count(self, start: str) -> int:
        """Lines so far that start so."""
        return sum(line.startswith(start) for line in self.lines)

    def until_line(self, start: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Waits for that many lines that start so."""
        self.until(lambda _: self.count(start) >= times, seconds)

    def stop(self) -> None:
        """Asks it to leave, and checks that nothing was wrong in its memory."""
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.lines[-30:]
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def observer(broker: Broker, topic: str) -> Iterator[tuple[paho.Client, "queue.Queue[bytes]"]]:
    """Another client, subscribed to a topic, and the payloads that come."""
    payloads: queue.Queue[bytes] = queue.Queue()
    subscribed = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: payloads.put(bytes(message.payload))
    client.on_connect = lambda *_: client.subscribe(topic, 1) and None
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        assert subscribed.wait(PATIENCE)
        yield client, payloads
    finally:
        client.disconnect()
        client.loop_stop()


def ended(payload: bytes) -> str:
    """What the client tells after a whole message."""
    return f"end 1 {len(payload)} {zlib.crc32(payload):08x}"


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """Each kind."""
    with running(request.param, tmp_path / "broker") as started:
        yield started


def test_retained_chunks_of_all_sizes_arrive(program: Path, broker: Broker) -> None:
    """More subscriptions than may be in flight; payloads larger than every buffer of the client."""
    sizes = [0, 1, 127, 128, 480, 511, 512, 513, 16383, 16384, 32768, 65536, *range(1000, 1030)]
    chunks = {f"fleet/v1/chunk/{i}": (BIG * 2)[i : i + size] for i, size in enumerate(sizes)}
    chunks = {topic: chunk for topic, chunk in chunks.items() if chunk}
    with observer(broker, "none") as (other, _):
        for topic, chunk in chunks.items():
            other.publish(topic, chunk, qos=1, retain=True).wait_for_publish(PATIENCE)
        with Client(program, broker.port, *(f"sub:{topic}" for topic in chunks)) as client:
            client.until_line("end", len(chunks))
            client.until_line("acknowledged", len(chunks))
            other.publish("fleet/v1/chunk/1", b"", qos=1).wait_for_publish(PATIENCE)
            client.until(lambda lines: ended(b"") in lines)
            client.stop()
    assert {line for line in client.lines if line.startswith("end")} == {
        ended(c) for c in (*chunks.values(), b"")
    }
    assert f"begin fleet/v1/chunk/11 {sizes[11]} 1" in client.lines


def test_a_message_that_is_not_wanted_is_passed_over(program: Path, broker: Broker) -> None:
    with (
        observer(broker, "none") as (other, _),
        Client(program, broker.port, "sub:a/unwanted", "sub:a/wanted") as client,
    ):
        client.until_line("acknowledged", 2)
        other.publish("a/unwanted", BIG, qos=1).wait_for_publish(PATIENCE)
        other.publish("a/wanted", b"yes", qos=1).wait_for_publish(PATIENCE)
        client.until_line(ended(b"yes"))
        client.stop()
        assert client.count("end") == 1


def test_a_payload_in_its_owners_memory_is_sent_whole(program: Path, broker: Broker) -> None:
    with (
        observer(broker, "a/+") as (_, payloads),
        Client(program, broker.port, "big:a/b:65536", "pub:a/c:after") as client,
    ):
        client.until_line("acknowledged", 2)
        assert payloads.get(timeout=PATIENCE) == BIG
        assert payloads.get(timeout=PATIENCE) == b"after"
        client.stop()


def test_the_will_is_published_unless_the_client_leaves(program: Path, broker: Broker) -> None:
    topic = "fleet/v1/d/board/presence"
    with observer(broker, topic) as (_, payloads):
        for kill, expected in ((signal.SIGTERM, [b"online"]), (signal.SIGKILL, [b"online", b"offline"])):
            with Client(program, broker.port, f"retain:{topic}:online") as client:
                client.until_line("acknowledged")
                client.process.send_signal(kill)
                client.process.wait(PATIENCE)
            assert [payloads.get(timeout=PATIENCE) for _ in expected] == expected
        assert payloads.empty()


def test_it_comes_back_after_a_restart_of_the_broker(program: Path, broker: Broker) -> None:
    with Client(program, broker.port, "sub:a") as client:
        for times in (1, 2, 3):
            client.until_line("connected", times, 60)
            client.until_line("acknowledged", times)
            if times < 3:
                broker.stop()
                client.until_line("disconnected network", client.count("disconnected network") + 1)
                broker.start()
        client.stop()


class Liar:
    """A broker of our own: answers each CONNECT with the next script, then closes or keeps silent."""

    def __init__(self, scripts: list[bytes], *, close: bool) -> None:
        self._scripts = scripts
        self._close = close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _serve(self) -> None:
        for script in self._scripts:
            link, _ = self._listener.accept()
            link.settimeout(PATIENCE)
            with contextlib.suppress(OSError):
                link.recv(1024)
                link.sendall(script)
                if self._close:
                    link.shutdown(socket.SHUT_WR)
                    while link.recv(1024):
                        pass
            self._open.append(link)
            if self._close:
                link.close()

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE)
        for link in (self._listener, *self._open):
            link.close()


def publish(topic: bytes, payload: bytes, first: int = 0x30, identifier: bytes = b"") -> bytes:
    """A PUBLISH below 16 KiB."""
    body = len(topic).to_bytes(2, "big") + topic + identifier + payload
    size = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
    return bytes([first]) + size + body


def test_a_broker_that_disconnects_at_every_byte(program: Path) -> None:
    """One report for each cut, and no message that looks whole without being it."""
    session = (
        ACCEPT
        + publish(b"a/b", b"payload", 0x33, b"\0\1")
        + publish(b"c", b"")
        + publish(b"d", bytes(130), 0x31)
    )
    cuts = [session[:end] for end in range(len(session) + 1)]
    with Liar(cuts, close=True) as liar, Client(program, liar.port) as client:
        client.until_line("disconnected", len(session) + 1, 90)
        client.stop()
    reports = [line for line in client.lines if line.startswith("disconnected")]
    assert set(reports[: len(session) + 1]) == {
        "disconnected network the connection ended: the broker closed it"
    }
    assert client.count("connected") == len(session) + 1 - len(ACCEPT)
    assert client.count("begin") == client.count("end")
    assert client.count("end 0") > 0


MALFORMED = {
    "no CONNACK first": publish(b"a", b"b"),
    "type 0": ACCEPT + bytes(2),
    **{f"type {kind}": ACCEPT + bytes([kind << 4, 0]) for kind in (1, 5, 6, 7, 8, 10, 12, 14, 15)},
    **{f"flags of type {kind}": ACCEPT + bytes([kind << 4 | 1, 2, 0, 1]) for kind in (4, 9, 11, 13)},
    "CONNACK flags": bytes.fromhex("21020000"),
    "CONNACK length": bytes.fromhex("2003000000"),
    "CONNACK session": bytes.fromhex("20020100"),
    "CONNACK code": bytes.fromhex("20020006"),
    "CONNACK twice": ACCEPT * 2,
    "length of five bytes": ACCEPT + bytes.fromhex("3080808080 01"),
    "PUBLISH QoS 2": ACCEPT + publish(b"a", b"", 0x34, b"\0\1"),
    "PUBLISH QoS 3": ACCEPT + publish(b"a", b"", 0x36, b"\0\1"),
    "PUBLISH DUP": ACCEPT + publish(b"a", b"", 0x38),
    "PUBLISH identifier 0": ACCEPT + publish(b"a", b"", 0x32, b"\0\0"),
    "PUBLISH empty": ACCEPT + bytes.fromhex("3000"),
    "PUBLISH no topic": ACCEPT + bytes.fromhex("300300 00 61"),
    "PUBLISH topic beyond": ACCEPT + bytes.fromhex("3004 0005 6161"),
    "PUBLISH topic too long": ACCEPT + publish(b"a" * 129, b""),
    "PUBLISH wildcard": ACCEPT + publish(b"a/#", b""),
    "PUBLISH wildcard +": ACCEPT + publish(b"a/+", b""),
    "PUBLISH zero": ACCEPT + publish(b"a\0b", b""),
    "PUBLISH overlong": ACCEPT + publish(b"\xc0\xaf", b""),
    "PUBLISH surrogate": ACCEPT + publish(b"\xed\xa0\x80", b""),
    "PUBACK unknown": ACCEPT + bytes.fromhex("40020001"),
    "PUBACK length": ACCEPT + bytes.fromhex("4003000100"),
    "SUBACK unknown": ACCEPT + bytes.fromhex("9003000100"),
    "SUBACK code": ACCEPT + bytes.fromhex("9003000102"),
    "UNSUBACK identifier 0": ACCEPT + bytes.fromhex("b0020000"),
    "PINGRESP length": ACCEPT + bytes.fromhex("d00100"),
}


def test_malformed_packets_of_every_kind(program: Path) -> None:
    """The connection is closed with one report of the code `protocol` for each, and the next one is made."""
    with Liar([*MALFORMED.values(), ACCEPT], close=False) as liar, Client(program, liar.port) as client:
        client.until_line("disconnected", len(MALFORMED), 60)
        client.until(lambda lines: lines[-1] == "connected")
        client.stop()
    reports = [line for line in client.lines if line.startswith("disconnected")]
    wrong = [
        name
        for name, line in zip(MALFORMED, reports, strict=True)
        if not line.startswith("disconnected protocol")
    ]
    assert not wrong


def test_refusals_are_told_apart(program: Path) -> None:
    scripts = [bytes([0x20, 2, 0, code]) for code in range(1, 6)]
    with Liar(scripts, close=False) as liar, Client(program, liar.port) as client:
        client.until_line("disconnected refused", 5)
        client.process.kill()
    assert len({line for line in client.lines if line.startswith("disconnected refused")}) == 5


def test_a_silent_broker_is_left(program: Path) -> None:
    """Before CONNACK, and after it: a PINGREQ without an answer."""
    with (
        Liar([b"", ACCEPT, ACCEPT], close=False) as liar,
        Client(program, liar.port, keep_alive=1, timeout_ms=300) as client,
    ):
        client.until_line("disconnected timeout", 2)
        client.until_line("connected", 2)
        client.stop()


def test_a_flood_of_messages_that_ask_for_answers(program: Path) -> None:
    """More acknowledgements than the ring holds become due with each read; every message is taken once."""
    flood = ACCEPT + publish(b"a", b"", 0x32, b"\0\1") * 20000 + publish(b"last", b"")
    with Liar([flood, ACCEPT], close=True) as liar, Client(program, liar.port) as client:
        client.until(lambda lines: lines[-1:] == ["begin last 0 0"], 60)
        assert client.count("end 1") == 20000
        client.until(lambda lines: lines[-1] == "connected")
        client.stop()
