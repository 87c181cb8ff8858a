"""Who may do what at the controller, and the resources of tokens, applications and the audit log."""

from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field

from protocol.api import Credentials, Hex, HexDigest, Page, Resource
from protocol.message import Name

RoleName = Literal["viewer", "operator", "release-manager", "owner"]


class Role(IntEnum):
    """Each may do what those before it may.

    Attributes:
        VIEWER: Reads everything but what is confidential.
        OPERATOR: Decides what runs where: devices, groups, pushes of releases that exist, rollouts; and which
            applications may ask devices.
        RELEASE_MANAGER: Makes and withdraws releases.
        OWNER: Makes and revokes tokens, brings new roots.
    """

    VIEWER = 1
    OPERATOR = 2
    RELEASE_MANAGER = 3
    OWNER = 4

    @property
    def text(self) -> str:
        """As people write it."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls, text: str) -> "Role":
        """The role of that name.

        Raises:
            KeyError: there is none.
        """
        return cls[text.upper().replace("-", "_")]


class TokenCreate(Resource):
    """A token for a person or a program."""

    name: Name
    role: RoleName
    days: Annotated[int, Field(ge=1, le=3650)] = 365
    """Until it expires."""


class Token(Resource):
    """A token, without its secret: the controller keeps only a digest of that."""

    name: str
    role: RoleName
    created: int
    expires: int
    last_used: int | None


class NewToken(Token):
    """The one answer that holds the secret."""

    token: str


class Me(Resource):
    """Whose token a request has."""

    name: str
    role: RoleName


AppName = Annotated[Name, Field(max_length=60)]
"""Of an application: the common name of its certificate, `app:NAME`, has at most 64 characters."""


class AppCreate(Resource):
    """A certificate for an application that asks devices for inferences over MQTT."""

    name: AppName
    days: Annotated[int, Field(ge=1, le=3650)] = 365
    """Until it expires."""
    request: Hex
    """PKCS #10 in DER, of a P-256 key."""


class App(Resource):
    """An application that the broker admits."""

    name: str
    created: int
    expires: int


class NewApp(App):
    """The answer with its certificate, and where to go with it."""

    broker: str
    credentials: Credentials


class AuditEntry(Resource):
    """One line of the audit log; `protocol.audit` says what `digest` is over."""

    number: int
    at: int
    who: str
    role: str
    action: str
    text: str
    digest: HexDigest


class AuditPage(Page):
    """Entries, oldest first."""

    items: list[AuditEntry]
