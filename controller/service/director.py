"""Keeps each device's signed assignment equal to what it shall run."""

from sqlalchemy import Connection

from controller.service.content_keys import ContentKeys
from controller.service.context import Context
from controller.store import tables as t
from controller.store.records import Target, add, change, many, one, remove, targets_of
from protocol import cose, topics
from protocol.documents import MAX_ASSIGNMENT, Assignment, Desired
from protocol.trust import ASSIGNMENT

LIFETIME = 7 * 24 * 3600
"""Seconds an assignment is valid; it is signed anew at half of that."""


class Director:
    """Signs and publishes assignments."""

    def __init__(self, context: Context, keys: ContentKeys, lifetime: int = LIFETIME) -> None:
        self._context = context
        self._keys = keys
        self._lifetime = lifetime

    def retarget(self, tx: Connection, device: str, model: str, target: Target | None) -> bool:
        """Change what a device shall run of a model; None takes it away.

        Returns:
            Whether that changed anything. If so a new generation is on its way.
        """
        if targets_of(tx, device).get(model) == target:
            return False
        remove(tx, t.targets, device=device, model=model)
        if target is not None:
            add(
                tx, t.targets, device=device, model=model, manifest=target.manifest, attempt=target.attempt,
                observe_inferences=target.observe_inferences, observe_seconds=target.observe_seconds,
            )  # fmt: skip
        row = one(tx, t.devices, name=device)
        if row is not None:
            self.sign(tx, device, row["generation"] + 1)
        return True

    def sign(self, tx: Connection, device: str, generation: int) -> None:
        """Sign and publish what a device shall run, under `generation`."""
        context = self._context
        row = one(tx, t.devices, name=device)
        if row is None:
            return
        # Never the same second twice within a generation: a device takes the later one only.
        issued = max(context.clock(), row["issued"] + 1)
        assignment = Assignment(
            device=device,
            generation=generation,
            models={
                model: Desired(
                    manifest=bytes.fromhex(target.manifest),
                    observe=(target.observe_inferences, target.observe_seconds),
                    attempt=target.attempt or None,
                    content_key=self._keys.wrapped(tx, row, target.manifest),
                )
                for model, target in targets_of(tx, device).items()
            },
            min_root=context.root.version,
            issued=issued,
            expires=issued + self._lifetime,
        )
        signed = cose.sign(ASSIGNMENT, assignment.encode(), [context.director])
        change(tx, t.devices, {"name": device}, generation=generation, assignment=signed, issued=issued)
        context.publish(topics.device(device, "desired"), signed)

    def claimed(self, tx: Connection, device: str) -> None:
        """A device has a key now, for which content keys can be wrapped."""
        row = one(tx, t.devices, name=device)
        if row is not None and row["assignment"] is not None:
            self.sign(tx, device, row["generation"])

    def publish_again(self, tx: Connection, device: str) -> None:
        """Publish the newest assignment once more."""
        row = one(tx, t.devices, name=device)
        if row is not None and row["assignment"] is not None:
            self._context.publish(topics.device(device, "desired"), row["assignment"])

    def keep_up(self, tx: Connection) -> None:
        """Sign anew what was signed under an older root, perhaps by a key that has no say any more."""
        newest = self._context.root.version
        for row in many(tx, t.devices):
            if row["assignment"] is None:
                continue
            payload = cose.parse(row["assignment"], max_payload=MAX_ASSIGNMENT).payload
            if Assignment.decode(payload).min_root != newest:
                self.sign(tx, row["name"], row["generation"])

    def renew(self, tx: Connection) -> None:
        """Sign anew what has lived half its life."""
        now = self._context.clock()
        for row in many(tx, t.devices):
            if row["assignment"] is not None and now - row["issued"] >= self._lifetime // 2:
                self.sign(tx, row["name"], row["generation"])
