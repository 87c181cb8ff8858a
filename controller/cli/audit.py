"""`fleet audit`."""

import json as json_text
import time
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import text
from controller.cli.app import Command, family
from controller.cli.columns import Cell, Column, table
from controller.cli.options import Json
from controller.cli.terminal import answers, emit, say
from controller.client import Client
from controller.client.config import config_folder
from protocol.access import AuditEntry
from protocol.audit import GENESIS, AuditError, Head, follow

app = family("Show who changed what, and prove that it is unaltered.\n\nfleet audit verify")

SEEN = "audit.json"
"""In the desk's configuration: the newest entry of each controller that this desk has verified."""


@app.command("list", cls=Command)
def list_entries(
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many, newest last.")] = 30,
    who: Annotated[str | None, typer.Option("--who", help="Only of this token.")] = None,
    json: Json = False,
) -> None:
    """List what people changed, newest last.

    fleet audit list --who alice
    """
    with Client.from_environment() as client:
        entries = [entry for entry in client.audit() if who in (None, entry.who)][-last:]
    if json:
        emit(entries)
        return
    if not entries:
        say("nobody has changed anything" if who is None else f"{who} has changed nothing")
        return
    now = time.time()
    rows: list[list[Cell]] = [
        [str(entry.number), text.ago(entry.at, now), entry.who, entry.action, entry.text] for entry in entries
    ]
    columns = [
        Column("NO.", right=True), Column("WHEN"), Column("WHO"), Column("ACTION"),
        Column("WHAT", wraps=True),
    ]  # fmt: skip
    say(table(columns, rows, answers().width))


@app.command("verify", cls=Command)
def verify(json: Json = False) -> None:
    """Check the whole audit log, and that what this desk saw before is unchanged.

    fleet audit verify

    Each entry's digest covers the one before it. This desk remembers the newest
    digest that it has seen, so that a log written anew is noticed as well.
    """
    seen = _seen()
    with Client.from_environment() as client:
        known = seen.get(client.url, Head())
        head = Head()
        before: list[AuditEntry] = []
        entries = client.audit()
        for entry in entries:
            head = follow(head, [entry])
            if head.number == known.number:
                _compare(known, head)
            before = [entry]
        url = client.url
    if head.number < known.number:
        raise AuditError(
            f"the audit log ends at entry {head.number}, and this desk has seen entry {known.number}",
            where=url,
            remedy="the end was cut off: compare with a backup of the controller's database",
        )
    _remember(seen | {url: head})
    if json:
        emit({"entries": head.number, "digest": head.digest.hex(), "seen_before": known.number})
        return
    newest = f", newest {text.ago(before[0].at, time.time())}" if before else ""
    say(f"{_entries(head.number)}{newest}: every digest follows from the one before it")
    if known.number:
        say(f"entries 1 to {known.number} are those that this desk has seen before")
    say(f"head {head.number} sha256:{head.digest.hex()}")


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def _compare(known: Head, head: Head) -> None:
    if known.digest not in (head.digest, GENESIS):
        raise AuditError(
            f"the audit log was written anew: entry {known.number} is not the one that this desk has seen",
            where=f"it had the digest {known.digest.hex()}, now {head.digest.hex()}",
            remedy="whoever could write the controller's database did it; compare with a backup",
        )


def _path() -> Path:
    return config_folder() / SEEN


def _seen() -> dict[str, Head]:
    try:
        stored = json_text.loads(_path().read_text())
        return {url: Head(number, bytes.fromhex(digest)) for url, (number, digest) in stored.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise AuditError(
            f"what this desk has seen of audit logs cannot be read: {error}",
            where=str(_path()),
            remedy="restore the file; without it a log that was written anew goes unnoticed",
        ) from error


def _remember(seen: dict[str, Head]) -> None:
    _path().parent.mkdir(parents=True, exist_ok=True)
    stored = {url: [head.number, head.digest.hex()] for url, head in seen.items()}
    _path().write_text(json_text.dumps(stored, indent=1) + "\n")
