"""The base of every document: a frozen pydantic model that is also a CBOR map.

A field annotated with `Key(n)` is written under the integer n, which keeps signed documents small
enough for a microcontroller; a field without one is written under its name, which is kinder to
applications. Fields that are None are left out. A reader ignores keys it does not know, unless
they are negative: those are *critical*, and not knowing one means refusing the document. An unknown
text key is refused too.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar

from annotated_types import Len
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from protocol import cbor
from protocol.errors import RefusedError

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Name of a device, a model or a group."""

Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")]


def _unhex(value: Any, info: ValidationInfo) -> Any:
    # `Message._by_name` hands JSON on as plain values, in which bytes are still text.
    return bytes.fromhex(value) if info.mode == "json" and isinstance(value, str) else value


Digest = Annotated[bytes, Len(32, 32), BeforeValidator(_unhex)]
"""A SHA-256."""

KeyId = Annotated[bytes, Len(8, 8), BeforeValidator(_unhex)]
Uint = Annotated[int, Field(ge=0, lt=1 << 63)]
Seconds = Annotated[int, Field(ge=0, lt=1 << 40)]
"""A moment, in seconds since 1970-01-01 UTC."""

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
"""One word for programs."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$", max_length=1024)]
"""Words for people. Without control characters, which could move an operator's cursor."""

T = TypeVar("T")
Many = Annotated[tuple[T, ...], Field(strict=False, fail_fast=True)]
"""A list of any length. Reading stops at the first bad element, so bad ones cannot pile up."""


_WIRE = {"wire": True}
"""Validation context: the values come from CBOR and not from a program."""


def _from_cbor(info: ValidationInfo) -> bool:
    return info.context is _WIRE


def _real(value: Any, info: ValidationInfo) -> Any:
    # A float has one encoding; that an integer would do as well is for programs only.
    if _from_cbor(info) and not isinstance(value, float):
        raise ValueError("Input should be a floating-point number")
    return value


Real = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_real)]
"""A finite number, a floating-point one in CBOR."""


class MessageError(RefusedError):
    """Well-formed CBOR that is not the document it should be."""


@dataclass(frozen=True)
class Key:
    """The integer under which a field is written."""

    number: int


class Message(BaseModel):
    """A document with a CBOR form; see the module's text for the rules."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, ser_json_bytes="hex", val_json_bytes="hex"
    )

    wire_names: ClassVar[dict[int | str, str]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.wire_names = {}
        for name, field in cls.model_fields.items():
            keys = [item.number for item in field.metadata if isinstance(item, Key)]
            wire = keys[0] if keys else name
            if wire in cls.wire_names:
                raise TypeError(f"{cls.__name__}: key {wire} is used twice")
            cls.wire_names[wire] = name

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any, info: ValidationInfo) -> Any:
        """Turn a decoded CBOR map into field names; what programs build has them already."""
        if not _from_cbor(info) or not isinstance(value, dict):
            return value
        known = {}
        for key, item in value.items():
            name = cls.wire_names.get(key) if type(key) in (int, str) else None
            if name is not None:
                known[name] = item
            elif type(key) is not int or key < 0:
                raise ValueError(f"critical key {key!r:.80} is not known to this version")
        return known

    def to_wire(self) -> dict[int | str, Any]:
        """The document as plain values under its wire keys."""
        return {
            wire: _plain(value)
            for wire, name in self.wire_names.items()
            if (value := getattr(self, name)) is not None
        }

    def encode(self) -> bytes:
        """The document as deterministic CBOR."""
        return cbor.encode(self.to_wire())

    @classmethod
    def from_wire(cls, value: object) -> Self:
        """Check plain decoded values and make the document.

        Raises:
            MessageError: a field is missing, has a wrong type or an illegal value, or a critical key
                is unknown.
        """
        try:
            return cls.model_validate(value, context=_WIRE)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            problems = f"{place}: {first['msg']}" if place else first["msg"]
            raise MessageError(f"not a valid {cls.__name__.lower()}: {problems}") from error

    @classmethod
    def decode(cls, data: bytes, *, max_size: int = cbor.MAX_SIZE) -> Self:
        """Decode deterministic CBOR.

        Raises:
            CborError: the bytes are not deterministic CBOR.
            MessageError: they are not this document.
        """
        return cls.from_wire(cbor.decode(data, max_size=max_size))


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_wire()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
