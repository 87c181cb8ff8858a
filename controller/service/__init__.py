"""The controller's use cases."""

from controller.service.applications import Applications
from controller.service.audit import AuditLog
from controller.service.commands import Commands
from controller.service.content_keys import ContentKeys
from controller.service.context import (
    ConflictError,
    Context,
    Directors,
    NotFoundError,
    OfflineError,
    Publisher,
)
from controller.service.devices import Devices
from controller.service.director import Director
from controller.service.groups import Groups
from controller.service.identities import Identities
from controller.service.intake import Intake
from controller.service.library import Library
from controller.service.membership import Membership
from controller.service.releases import Releases
from controller.service.rollouts import Rollouts
from controller.service.status import Status
from controller.service.tokens import Tokens
from protocol import api, cbor
from protocol.trust import Verifier, read_root

__all__ = [
    "ConflictError",
    "Context",
    "Directors",
    "NotFoundError",
    "OfflineError",
    "Publisher",
    "Service",
    "Tokens",
]


class Service:
    """All use cases over one context.

    Attributes:
        identities: Certificates of devices.
        applications: Programs that ask devices, and their certificates.
        devices: Enrolment, labels.
        groups: Groups and who is in them.
        content_keys: Who may read encrypted releases.
        releases: Reserving, checking, withdrawing.
        rollouts: Pushes, rollbacks, removals.
        status: The fleet in words.
        commands: What is asked of one device at once.
        intake: What devices say.
        audit: What people changed.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.content_keys = ContentKeys(context)
        director, library = Director(context, self.content_keys), Library(context)
        membership = Membership(context, director, library)
        self.groups = Groups(context, membership.catch_up)
        self.identities = Identities(context)
        self.applications = Applications(context, self.identities)
        self.devices = Devices(context, director, membership.catch_up, self.identities)
        self.releases = Releases(context, self.content_keys)
        self.rollouts = Rollouts(context, director, library, membership)
        self.status = Status(context, self.rollouts)
        self.commands = Commands(context, self.releases)
        self.audit = AuditLog(context.store)
        self.intake = Intake(context, director, library, self.rollouts, self.commands)

    def add_root(self, signed: bytes) -> None:
        """Take the root that follows the newest one, publish it, and sign every assignment anew.

        The newest one once more changes nothing, so that a request whose answer was lost can be repeated.

        Raises:
            TrustError: it does not follow, or is not signed by both.
            ConflictError: this controller has no key that it lists for the director.
        """
        context = self.context
        with context.lock:
            newest = context.roots[max(context.roots)]
            if read_root(signed) == read_root(newest):
                return
            root = Verifier.enrol("controller", newest).update_root(signed).root
            director = context.directors.of(root)
            if director is None:
                raise ConflictError(
                    f"root {root.version} lists no director's key of this controller, "
                    "which could assign nothing under it",
                    remedy="fleet keys rotate director asks the controller for the key to list",
                )
            context.keep_root(root.version, signed)
            context.roots[root.version] = signed
            context.director = director
            context.directors.settle(root)
            self.intake.root_changed()
            with context.transaction() as tx:
                context.audit(tx, "root", f"root {root.version}")

    def next_director(self) -> api.DirectorKey:
        """The key that the next root shall list for the director."""
        with self.context.transaction() as tx:
            public = self.context.directors.next()
            self.context.audit(tx, "director", f"the next key will be {public.id.hex()}")
        return api.DirectorKey(public=cbor.encode(public.to_cose()).hex())
