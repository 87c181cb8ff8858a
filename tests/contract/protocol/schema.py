"""The committed CDDL, one rule at a time."""

from functools import cache

from pycddl import Schema

from tests.contract.protocol.generate import VECTORS

_FOLDER = VECTORS.parent / "cddl"


@cache
def schema(rule: str) -> Schema:
    """A schema that starts with `rule`."""
    texts = [path.read_text() for path in sorted(_FOLDER.glob("*.cddl"))]
    return Schema("\n".join([f"start = {rule}", *texts]))
