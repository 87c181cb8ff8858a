"""The fuzz targets: `python -m tests.faults.fuzz_targets TARGET LIBFUZZER-OPTIONS` (see `tests.faults.fuzz`).

A process of its own, because libFuzzer never returns, and because `protocol` has to be instrumented as it
is imported.
"""

import sys
from collections.abc import Callable
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["protocol"]):
    from protocol import cbor, cose, module
    from protocol.chunks import open_page, sha256
    from protocol.commands import COMMAND, accept_command
    from protocol.confidential import Cipher, content_key_of, unwrap
    from protocol.documents import Capabilities
    from protocol.errors import FleetError
    from protocol.keys import PublicKey
    from protocol.trust import ASSIGNMENT, MANIFEST, NONCE, ROOT, Verifier, check_module, choose_target
from tests.contract.protocol.interpret import RULES
from tests.faults.fuzz import owner_documents
from tests.support.simulator import DEVICE, MODEL, NOW, digest, key, sign

_NONCE = bytes(range(16))
_CAPABILITIES = Capabilities(
    device_class="linux", targets=("simd", "mvp"), abi=0x10000, memory=1 << 26, agent="0.1.0"
)


def decoder(data: bytes) -> None:
    """Whatever is read is written again as the same bytes; whatever is not, is an error of ours."""
    with suppress(FleetError):
        value = cbor.decode(data)
        assert cbor.encode(value) == data
        with suppress(FleetError):
            key_read = PublicKey.from_cose(value)
            assert cbor.encode(key_read.to_cose()) == data
    for message in RULES.values():
        with suppress(FleetError):
            read = message.decode(data)
            assert message.decode(read.encode()) == read
    for read_as in (
        lambda: cose.parse(data, max_payload=4096),
        lambda: cose.peek_payload(data, max_payload=4096),
        lambda: cose.open_mac0("report", data, digest("a key"), max_payload=4096),
        lambda: open_page(data, sha256(data), "mcu"),
        lambda: open_page(data, sha256(data), "mcu", encrypted=True),
        lambda: unwrap(data, digest("a key")),
        lambda: Cipher(digest("a key"), "mcu").decrypt("module", 0, data),
        lambda: module.check(data),
    ):
        with suppress(FleetError):
            read_as()


class Device:
    """A device that has accepted what its owner signed, and is now offered anything at all."""

    def __init__(self) -> None:
        first, assigned, released, next_root, self.answer = owner_documents()
        self.current = Verifier.enrol(DEVICE, first)
        self.current, _ = self.current.accept_assignment(assigned, NOW)
        self.signed = {
            cose.parse(document, max_payload=16384).payload for document in (assigned, released, next_root)
        }
        self.offers: list[tuple[str, str, Callable[[bytes], object]]] = [
            (ROOT, "root", self.current.update_root),
            (ROOT, "root", lambda data: Verifier.enrol(DEVICE, data)),
            (ASSIGNMENT, "director", lambda data: self.current.accept_assignment(data, NOW)),
            (MANIFEST, "release", self.manifest),
            (COMMAND, "director", self.command),
        ]

    def manifest(self, data: bytes) -> None:
        # The digest is taken from the document, as if the director had assigned it.
        named = sha256(cose.parse(data, max_payload=4096).payload)
        read = self.current.check_manifest(MODEL, data, named)
        for target in read.targets.values():
            with suppress(FleetError):
                check_module(data, target)
        with suppress(FleetError):
            choose_target(read, _CAPABILITIES)
        with suppress(FleetError):
            content_key_of(self.current, read, named, digest("a key"))
        self.current.confirm(read)

    def command(self, data: bytes) -> None:
        accept_command(self.current, data, now=NOW, started=NOW - 10, done=set())

    def offer(self, data: bytes) -> None:
        """The first byte says as what, and whether the true key signs it: else R3 would end it all."""
        if not data:
            return
        choice, rest = data[0], data[1:]
        with suppress(FleetError):
            if choice & 0x08:
                forge = choice & 0x10
                answer = cose.sign1(NONCE, rest, key("fuzz-director")) if forge else rest
                self.current.open_nonce_answer(answer, _NONCE)
                assert forge or rest == self.answer, "a time answer that nobody signed is accepted"
                return
            kind, role, take = self.offers[choice % len(self.offers)]
            if choice & 0x10:
                take(sign(kind, rest, (f"fuzz-{role}",)))
                return
            take(rest)
            assert take is self.offers[1][2] or cose.parse(rest, max_payload=16384).payload in self.signed, (
                f"a {kind} that nobody signed is accepted"
            )


def main() -> None:
    target = {"decoder": lambda: decoder, "verifier": lambda: Device().offer}[sys.argv[1]]()
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
