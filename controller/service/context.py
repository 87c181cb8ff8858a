"""What every use case shares: storage, clock, keys, the way out to the broker, and one lock."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from controller.delivery.authority import Authority
from controller.service.audit import record
from controller.store import BlobStore, Store
from controller.store.records import add_event
from protocol.documents import Root
from protocol.errors import InputError, UnreachableError
from protocol.keys import PublicKey, Signer
from protocol.trust import read_root


class Publisher(Protocol):
    """The broker, as the use cases see it."""

    url: str

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers."""
        ...

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a retained message; empty bytes clear it."""
        ...

    def send(self, topic: str, payload: bytes) -> None:
        """Publish a message that is not retained."""
        ...


class Directors(Protocol):
    """The keys with which a controller directs: the present one, and the one for the next root."""

    def next(self) -> PublicKey:
        """The key that a later root shall list; made if need be, the same until it is in use."""
        ...

    def of(self, root: Root) -> Signer | None:
        """The key that a root lists for the role, if it is here."""
        ...

    def settle(self, root: Root) -> None:
        """A root is in force: its key is the present one from now on."""
        ...


class Gate(Protocol):
    """Who may connect to the broker: `controller.delivery.Access`, as the use cases see it."""

    authority: Authority

    def write(
        self,
        devices: Mapping[str, bytes],
        apps: Mapping[str, str | None],
        revoked: Iterable[int],
        now: datetime,
    ) -> None:
        """Write down who may connect, and tell the broker."""
        ...

    def cut_off(self, users: Collection[str], url: str, now: datetime) -> object:
        """End the live sessions of those whose certificates were revoked."""
        ...


class NotFoundError(InputError):
    """Something by a name that the controller does not know."""


class OfflineError(UnreachableError):
    """A device that does not hear now."""


class ConflictError(InputError):
    """Something that exists already, or that is in the way."""


@dataclass
class Context:
    """Shared by all use cases.

    Attributes:
        clock: Seconds since 1970-01-01 UTC.
        director: Signs assignments.
        exchange_key: X25519 private key, 32 bytes, from which report keys are derived.
        roots: Signed roots by version.
        lock: Held during each use case; they are short, and one machine runs them.
        changed: Notified when a rollout or a device has changed.
    """

    store: Store
    blobs: BlobStore
    publisher: Publisher
    access: Gate
    clock: Callable[[], int]
    director: Signer
    exchange_key: bytes
    roots: dict[int, bytes]
    keep_root: Callable[[int, bytes], None]
    """Stores a new root for the next start."""
    controller_url: str
    directors: "Directors"
    """This controller's keys for the role."""
    certificate: bytes | None = None
    """Of the HTTP API, X.509 in DER; None without TLS."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """Make the condition that goes with the lock."""
        self.changed = threading.Condition(self.lock)
        self.closing = False
        self._outbox: list[tuple[str, bytes]] = []

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing, one at a time; what is published within goes out once the rest is stored.

        The other way round, a device could hold an assignment that a full disk or a power cut made this
        side forget, and the next one would be signed under the same generation.
        """
        with self.lock:
            begin = len(self._outbox)
            try:
                with self.store.transaction() as tx:
                    yield tx
                for topic, payload in self._outbox[begin:]:
                    self.publisher.publish(topic, payload)
            finally:
                del self._outbox[begin:]

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a retained message when the transaction is stored; empty bytes clear it."""
        self._outbox.append((topic, payload))

    def close(self) -> None:
        """Let everyone who waits for a change go."""
        with self.changed:
            self.closing = True
            self.changed.notify_all()

    @property
    def root(self) -> Root:
        """The newest root."""
        return read_root(self.roots[max(self.roots)])

    def audit(self, tx: Connection, action: str, text: str) -> None:
        """Write down that the caller changed something."""
        record(tx, self.clock(), action, text)

    def event(self, tx: Connection, device: str | None, kind: str, text: str) -> None:
        """Remember that something happened."""
        add_event(tx, at=self.clock(), device=device, kind=kind, text=text)
