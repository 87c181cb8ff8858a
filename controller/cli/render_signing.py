"""What exactly is about to be signed, in words: all of it comes from the bytes that are signed."""

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.cli.terminal import NEEDS_YOU, PROGRESS, SETTLED, STRONG
from controller.keys.publickey import ALGORITHMS
from controller.keys.request import Item, Need, SigningRequest
from protocol.documents import Manifest, Role, Root
from protocol.keys import PublicKey

_WORDS = {"new": PROGRESS, "goes": NEEDS_YOU, "stays": SETTLED}


def changes(request: SigningRequest) -> list[dict[str, Any]]:
    """Every key of the new root and of the one before it: role, id, algorithm, and what becomes of it."""
    old, new = request.newest, request.root
    if new is None:
        return []
    rows = []
    for name, role in new.roles.items():
        before = old.roles[name].keys if old else ()
        for kid in (*role.keys, *(kid for kid in before if kid not in role.keys)):
            change = "goes" if kid not in role.keys else "stays" if kid in before else "new"
            source = new if kid in new.keys else old
            key = PublicKey.from_cose(source.keys[kid]) if source else None
            rows.append(
                {
                    "role": name,
                    "id": kid.hex(),
                    "algorithm": ALGORITHMS[key.algorithm] if key else "",
                    "change": change,
                }
            )
    return rows


def meaning(old: Root | None, new: Root) -> list[str]:
    """What devices will do differently under a new root, in sentences."""
    if old is None:
        return ["devices that are enrolled with it trust these keys and no others"]
    said = []
    for name, role in new.roles.items():
        before = old.roles[name]
        gone = [kid.hex() for kid in before.keys if kid not in role.keys]
        if role.threshold != before.threshold:
            said.append(f"{name}: {role.threshold} signatures are needed instead of {before.threshold}")
        if gone:
            said.append(_without(name, role, before, ", ".join(gone)))
    if new.floors != old.floors:
        said.append("the least sequence numbers of models change, see floors")
    return said or ["no key comes or goes; only the dates change"]


def _without(name: str, role: Role, before: Role, gone: str) -> str:
    if name == "root":
        return f"root: {gone} signs no further root"
    if name == "release":
        return f"release: nothing is installed that only {gone} has signed; what runs goes on running"
    if len(set(role.keys) & set(before.keys)) < role.threshold:
        return "director: every assignment so far is void, and generations count from 0 again"
    return (
        f"director: what {gone} signs is refused; counts stay, so a thief who counted far ahead "
        "is undone only by replacing all of the role's keys"
    )


def needs_in_words(request: SigningRequest, item: Item, names: dict[str, str]) -> list[str]:
    """How far each signature that a document needs has come."""
    return [_need(need, names) for need in request.needs(item)]


def _need(need: Need, names: dict[str, str]) -> str:
    signed = ", ".join(names.get(kid.hex(), kid.hex()) for kid in sorted(need.signed)) or "nobody yet"
    how = f"{len(need.signed)} of {need.threshold} signatures"
    return f"{how} by {need.role} keys of root {need.version}: {signed}"


def summary(request: SigningRequest, names: dict[str, str], width: int) -> list[RenderableType]:
    """The whole request.

    Args:
        request: What is to be signed.
        names: Key ids, hexadecimal, to the names of keys on this machine.
        width: Of the terminal.
    """
    parts: list[RenderableType] = [
        Text(
            f"made {text.local(request.made)}"
            + (f" on {request.by}" if request.by else "")
            + ", says the file"
        )
    ]
    for item in request.items:
        shown = _root(request, names, width) if item.kind == "root" else _manifest(item, width)
        parts += [*shown, Text(f"  sha256   {item.digest}")]
        parts += [Text(f"  signed   {line}") for line in needs_in_words(request, item, names)]
        parts.append(Text())
    return parts


def _root(request: SigningRequest, names: dict[str, str], width: int) -> list[RenderableType]:
    old, new = request.newest, request.root
    if new is None:
        return []
    follows = f", follows root {old.version} of {text.local(old.issued)}" if old else ", the first of a fleet"
    rows: list[list[Cell]] = []
    for row in changes(request):
        role = new.roles[row["role"]]
        rows.append(
            [
                row["role"],
                "" if row["change"] == "goes" else f"{role.threshold} of {len(role.keys)}",
                row["id"],
                row["algorithm"],
                Text(row["change"], _WORDS[row["change"]]),
                names.get(row["id"], ""),
            ]
        )
    columns = [
        Column("ROLE"), Column("SIGNATURES"), Column("KEY"), Column("KIND"), Column("CHANGE"),
        Column("HERE AS", wraps=True),
    ]  # fmt: skip
    floors = ", ".join(f"{model} {number}" for model, number in new.floors.items())
    return [
        Text.assemble((f"root {new.version}", STRONG), follows),
        Text(f"  valid    {text.local(new.issued)} until {text.local(new.expires)}"),
        table(columns, rows, width, indent=2),
        *([Text(f"  floors   {floors}")] if floors else []),
        *(Text(f"  means    {line}") for line in meaning(old, new)),
    ]


def _manifest(item: Item, width: int) -> list[RenderableType]:
    manifest = Manifest.decode(item.payload)
    rows: list[list[Cell]] = [
        [
            name,
            f"{target.size:,} B",
            target.sha256.hex()[:16] + "…",
            text.size(target.memory),
            f"{target.deadline} ms",
        ]
        for name, target in manifest.targets.items()
    ]
    columns = [
        Column("TARGET"), Column("SIZE", right=True), Column("SHA-256"), Column("MEMORY", right=True),
        Column("DEADLINE", right=True),
    ]  # fmt: skip
    return [
        Text.assemble(
            (f"release {manifest.model} {manifest.version}", STRONG),
            f", sequence {manifest.sequence}, floor {manifest.floor}, for {', '.join(manifest.classes)}",
        ),
        Text(f"  made of  provenance sha256:{manifest.provenance.hex()[:16]}…"),
        table(columns, rows, width, indent=2),
    ]


def as_json(request: SigningRequest) -> list[dict[str, Any]]:
    """The same for programs."""
    documents = []
    for item in request.items:
        document: dict[str, Any] = {"kind": item.kind, "sha256": item.digest}
        if item.kind == "root" and request.root is not None:
            document |= {
                "root": request.root.version,
                "issued": request.root.issued,
                "expires": request.root.expires,
                "keys": changes(request),
                "thresholds": {name: role.threshold for name, role in request.root.roles.items()},
                "floors": request.root.floors,
                "means": meaning(request.newest, request.root),
            }
        else:
            manifest = Manifest.decode(item.payload)
            document |= {
                "model": manifest.model,
                "version": manifest.version,
                "sequence": manifest.sequence,
                "floor": manifest.floor,
                "classes": list(manifest.classes),
                "targets": {name: target.sha256.hex() for name, target in manifest.targets.items()},
            }
        document["signatures"] = [
            {
                "role": need.role,
                "root": need.version,
                "threshold": need.threshold,
                "signed": sorted(kid.hex() for kid in need.signed),
            }
            for need in request.needs(item)
        ]
        documents.append(document)
    return documents
