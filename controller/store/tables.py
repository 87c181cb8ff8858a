"""The tables. Nothing in them is SQLite's alone: the same code is to run on PostgreSQL."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

devices = Table(
    "devices", metadata,
    Column("name", String(63), primary_key=True),
    Column("device_class", String(63), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("token_sha256", String(64)),  # of the one-time token; empty once it was claimed
    Column("public_key", LargeBinary),
    Column("created", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False, default=False),
    Column("last_seen", BigInteger),
    Column("generation", BigInteger, nullable=False, default=0),
    Column("assignment", LargeBinary),  # the newest, signed
    Column("issued", BigInteger, nullable=False, default=0),
    Column("report", LargeBinary),  # payload of the newest report whose MAC held
    Column("boot", BigInteger, nullable=False, default=0),
    Column("sequence", BigInteger, nullable=False, default=0),
    Column("telemetry", LargeBinary),
    Column("telemetry_boot", BigInteger, nullable=False, default=0),
    Column("telemetry_sequence", BigInteger, nullable=False, default=0),
)  # fmt: skip

# What a device shall run; its assignment is made from these rows.
targets = Table(
    "targets", metadata,
    Column("device", String(63), ForeignKey("devices.name", ondelete="CASCADE"), primary_key=True),
    Column("model", String(63), primary_key=True),
    Column("manifest", String(64), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("observe_inferences", Integer, nullable=False),
    Column("observe_seconds", Integer, nullable=False),
)  # fmt: skip

groups = Table(
    "groups", metadata,
    Column("name", String(63), primary_key=True),
    Column("query", Text),
)  # fmt: skip

members = Table(
    "members", metadata,
    Column("group_name", String(63), ForeignKey("groups.name", ondelete="CASCADE"), primary_key=True),
    Column("device", String(63), ForeignKey("devices.name", ondelete="CASCADE"), primary_key=True),
)  # fmt: skip

# The history of what was wanted; the newest row of a group and a model is what it wants now.
pushes = Table(
    "pushes", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group_name", String(63), ForeignKey("groups.name", ondelete="CASCADE"), nullable=False),
    Column("model", String(63), nullable=False),
    Column("manifest", String(64)),  # none: the model was removed
    Column("observe_inferences", Integer, nullable=False),
    Column("observe_seconds", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)  # fmt: skip

releases = Table(
    "releases", metadata,
    Column("manifest", String(64), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("version", String(32), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("withdrawn", Boolean, nullable=False, default=False),
    Column("details", JSON, nullable=False),
    UniqueConstraint("model", "version"),
)  # fmt: skip

reservations = Table(
    "reservations", metadata,
    Column("model", String(63), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("content", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    UniqueConstraint("model", "sequence"),
)  # fmt: skip

rollouts = Table(
    "rollouts", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group_name", String(63), nullable=False),
    Column("model", String(63), nullable=False),
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False, default=0),
    Column("created", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("plan", JSON, nullable=False),
    Column("outcome", Text, nullable=False, default=""),
)  # fmt: skip

events = Table(
    "events", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("device", String(63), index=True),
    Column("kind", String(32), nullable=False),
    Column("text", Text, nullable=False),
)  # fmt: skip

# Digests of what the broker has been given to keep.
retained = Table(
    "retained", metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
)  # fmt: skip

tokens = Table(
    "tokens", metadata,
    Column("name", String(63), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("last_used", BigInteger),
)  # fmt: skip

# A certificate outlives its device: it stays revoked until it expires.
certificates = Table(
    "certificates", metadata,
    Column("serial", String(40), primary_key=True),  # hexadecimal
    Column("device", String(63), nullable=False, index=True),
    Column("expires", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False, default=False),
)  # fmt: skip

# Applications at the broker. One that was removed, or whose certificate has expired, stays a while, revoked.
applications = Table(
    "applications", metadata,
    Column("serial", String(40), primary_key=True),  # of its certificate, hexadecimal
    Column("name", String(60), nullable=False, index=True),
    Column("uri", String(100), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False, default=False),
)  # fmt: skip

# Append-only: the migration gives it triggers that refuse anything else.
audit = Table(
    "audit", metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("who", String(63), nullable=False),
    Column("role", String(16), nullable=False),
    Column("action", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)  # fmt: skip

answers = Table(
    "answers", metadata,
    Column("key", String(200), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)  # fmt: skip
