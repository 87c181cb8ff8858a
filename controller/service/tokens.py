"""Tokens of people and programs: made once, kept as digests."""

import secrets
from hashlib import sha256

from sqlalchemy import RowMapping, delete

from controller.service.caller import Caller
from controller.service.context import ConflictError, Context, NotFoundError
from controller.store import tables as t
from controller.store.records import add, change, many, one
from protocol.access import NewToken, Role, Token, TokenCreate

OWNER = "owner"
"""Name of who runs the controller; its token is the file `token` in the controller's folder."""

PREFIX = "fleet_"
"""By which scanners for leaked secrets know a token."""

_USED_EVERY = 60
"""Seconds: how exactly the last use of a token is remembered."""
_DAY = 86400


def make_secret() -> str:
    """A new token: 256 random bits, so that one pass of SHA-256 protects it."""
    return PREFIX + secrets.token_urlsafe(32)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


class Tokens:
    """`fleet token`.

    Args:
        context: Shared by all use cases.
        owner: The secret of who runs the controller.
    """

    def __init__(self, context: Context, owner: str) -> None:
        self._context = context
        self._owner = _digest(owner)

    def who(self, secret: str) -> Caller | None:
        """Whose token this is; None if it is nobody's, revoked or expired."""
        # Digests are compared, not secrets: how long a comparison takes tells nothing of use.
        digest = _digest(secret)
        if digest == self._owner:
            return Caller(OWNER, Role.OWNER)
        now = self._context.clock()
        with self._context.store.transaction() as tx:
            row = one(tx, t.tokens, sha256=digest)
            if row is None or row["expires"] <= now:
                return None
            if now - (row["last_used"] or 0) >= _USED_EVERY:
                change(tx, t.tokens, {"name": row["name"]}, last_used=now)
        return Caller(row["name"], Role.of(row["role"]))

    def create(self, request: TokenCreate) -> NewToken:
        """Make a token; its secret is in this answer and nowhere else.

        Raises:
            ConflictError: the name is taken.
        """
        context, secret = self._context, make_secret()
        with context.transaction() as tx:
            if request.name == OWNER or one(tx, t.tokens, name=request.name) is not None:
                raise ConflictError(
                    f"there is a token {request.name} already",
                    remedy=f"take another name, or revoke that one: fleet token revoke {request.name}",
                )
            made = Token(
                name=request.name, role=request.role, created=context.clock(),
                expires=context.clock() + request.days * _DAY, last_used=None,
            )  # fmt: skip
            add(tx, t.tokens, sha256=_digest(secret), **made.model_dump())
            context.audit(tx, "token", f"created {request.name}, {request.role}, for {request.days} days")
            return NewToken(**made.model_dump(), token=secret)

    def list(self) -> list[Token]:
        """All that are not revoked, by name."""
        with self._context.transaction() as tx:
            return [_token(row) for row in many(tx, t.tokens)]

    def revoke(self, name: str) -> None:
        """It is refused from now on.

        Raises:
            NotFoundError: there is none of that name.
        """
        with self._context.transaction() as tx:
            if not tx.execute(delete(t.tokens).where(t.tokens.c.name == name)).rowcount:
                raise NotFoundError(f"there is no token {name}", remedy="fleet token list")
            self._context.audit(tx, "token", f"revoked {name}")


def _token(row: RowMapping) -> Token:
    return Token(
        name=row["name"], role=row["role"], created=row["created"], expires=row["expires"],
        last_used=row["last_used"],
    )  # fmt: skip
