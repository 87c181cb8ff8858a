"""The controller's use cases."""

from controller.service.audit import AuditLog
from controller.service.commands import Commands
from controller.service.context import ConflictError, Context, NotFoundError, OfflineError, Publisher
from controller.service.devices import Devices
from controller.service.director import Director
from controller.service.groups import Groups
from controller.service.intake import Intake
from controller.service.library import Library
from controller.service.membership import Membership
from controller.service.releases import Releases
from controller.service.rollouts import Rollouts
from controller.service.status import Status
from controller.service.tokens import Tokens
from protocol.trust import Verifier

__all__ = ["ConflictError", "Context", "NotFoundError", "OfflineError", "Publisher", "Service", "Tokens"]


class Service:
    """All use cases over one context.

    Attributes:
        devices: Enrolment, labels.
        groups: Groups and who is in them.
        releases: Reserving, checking, withdrawing.
        rollouts: Pushes, rollbacks, removals.
        status: The fleet in words.
        commands: What is asked of one device at once.
        intake: What devices say.
        audit: What people changed.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        director, library = Director(context), Library(context)
        membership = Membership(context, director, library)
        self.groups = Groups(context, membership.catch_up)
        self.devices = Devices(context, membership.catch_up)
        self.releases = Releases(context)
        self.rollouts = Rollouts(context, director, library, membership)
        self.status = Status(context, self.rollouts)
        self.commands = Commands(context, self.releases)
        self.audit = AuditLog(context.store)
        self.intake = Intake(context, director, library, self.rollouts, self.commands)

    def add_root(self, signed: bytes) -> None:
        """Take the root that follows the newest one, publish it, and sign every assignment anew.

        Raises:
            TrustError: it does not follow, or is not signed by both.
        """
        context = self.context
        with context.lock:
            newest = context.roots[max(context.roots)]
            root = Verifier.enrol("controller", newest).update_root(signed).root
            context.keep_root(root.version, signed)
            context.roots[root.version] = signed
            self.intake.root_changed()
            with context.transaction() as tx:
                context.audit(tx, "root", f"root {root.version}")
