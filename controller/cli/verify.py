"""`fleet release verify` and `fleet release sbom`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.cli.key_folder import key_store
from controller.cli.options import Json, Model, Version
from controller.cli.signers import signer_names
from controller.cli.terminal import NEEDS_YOU, SETTLED, answers, emit, say
from controller.cli.writing import write_bytes
from controller.client import Client
from controller.releases.errors import EvidenceError, NotReproducedError
from protocol import api, cose
from protocol.chunks import sha256
from protocol.documents import MAX_MANIFEST, Manifest
from protocol.errors import InputError
from protocol.keys import PublicKey
from protocol.trust import MANIFEST, Verifier

if TYPE_CHECKING:
    from controller.releases.rebuild import Rebuild

_DESK = "desk"


def verify(
    model: Model,
    version: Version,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FILE", help="A signed root that you trust; else this desk's."),
    ] = None,
    json: Json = False,
) -> None:
    """Rebuild a release from the graph it keeps, and compare every byte.

    fleet release verify crop-model 1.3.0

    Checks the signatures, fetches what the release keeps, compiles every module
    again and runs its golden cases. Calibration is not repeated.
    """
    from controller.releases.rebuild import rebuild  # noqa: PLC0415 - the compiler is slow to import

    trusted = _trusted(root)
    with Client.from_environment() as client:
        release = client.release(model, version)
        manifest, signers = _open(release, trusted)
        key = client.content_key(model, version) if manifest.content_key is not None else None
        done = rebuild(manifest, lambda digest: client.get_blob(digest.hex()), key)
    if json:
        emit(_document(manifest, signers, done))
    else:
        say(_shown(manifest, signers, done, answers().width))
    if not done.holds:
        raise NotReproducedError(
            f"{model} {version} does not come out the same here",
            where=", ".join(f"{m.target}: {m.difference}" for m in done.modules if m.difference),
            remedy=_remedy(done),
        )


def sbom(
    model: Model,
    version: Version,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Instead of standard output.")
    ] = None,
) -> None:
    """Give the bill of materials of a release: CycloneDX 1.6, JSON.

    fleet release sbom crop-model 1.3.0 -o crop-model.cdx.json
    """
    with Client.from_environment() as client:
        release = client.release(model, version)
        if "sbom" not in release.provenance:
            raise EvidenceError(f"{model} {version} has no bill of materials")
        digest = release.provenance["sbom"]
        content = client.get_blob(digest)
    if sha256(content).hex() != digest:
        raise EvidenceError(f"the bill of materials of {model} {version} is not what the release names")
    if output is None:
        sys.stdout.write(content.decode())
        return
    write_bytes(output, content)
    say(f"wrote {output}: {text.size(len(content))}, CycloneDX 1.6")


def _trusted(file: Path | None) -> Verifier:
    """Trust begins with a root that the user has, never with one that the controller sends."""
    remedy = "give one that you got from the owner of the fleet: --root FILE"
    if file is None:
        store = key_store()
        roots = store.roots()
        if not roots:
            raise InputError("there is no root to trust", where=str(store.folder), remedy=remedy)
        return Verifier.enrol(_DESK, roots[max(roots)])
    try:
        return Verifier.enrol(_DESK, file.read_bytes())
    except OSError as error:
        raise InputError(
            f"there is no root to trust: {error.strerror}", where=str(file), remedy=remedy
        ) from error


def _open(release: api.Release, trusted: Verifier) -> tuple[Manifest, list[str]]:
    """The manifest, and the ids of the keys whose signatures are good: nothing that the controller claims."""
    signed = bytes.fromhex(release.signed)
    payload = trusted.open_signed(MANIFEST, signed, "release", max_payload=MAX_MANIFEST)
    manifest = Manifest.decode(payload)
    if (manifest.model, manifest.version) != (release.model, release.version):
        raise EvidenceError(
            f"the controller gave the manifest of {manifest.model} {manifest.version} "
            f"for {release.model} {release.version}"
        )
    root = trusted.root
    keys = {kid: PublicKey.from_cose(root.keys[kid]) for kid in root.roles["release"].keys}
    good = cose.parse(signed, max_payload=MAX_MANIFEST).signers(MANIFEST, keys)
    return manifest, sorted(kid.hex() for kid in good)


def _shown(manifest: Manifest, signers: list[str], done: "Rebuild", width: int) -> Text:
    modules: list[list[Cell]] = [
        [
            module.target,
            text.size(module.released.size),
            text.short(module.released.sha256.hex()),
            Text("the same bytes", SETTLED)
            if module.difference is None
            else Text(module.difference, NEEDS_YOU),
        ]
        for module in done.modules
    ]
    columns = [
        Column("MODULE"),
        Column("SIZE", right=True),
        Column("RELEASED"),
        Column("REBUILT", wraps=True),
    ]
    name = f"{manifest.model} {manifest.version}"
    digest = sha256(manifest.encode()).hex()
    head = Text(f"{name}  {text.short(digest)}   signed by {signer_names(signers)}")
    lines = [
        head,
        Text(f"  graph     {text.short(done.provenance['graph'])}   the quantized model, which it keeps"),
        Text(f"  golden    {text.some(done.golden, 'case')} run again"),
        *(
            Text(f"  {what:<9} {_brief(here)} here, the release was made by {_brief(said)}", NEEDS_YOU)
            for what, (said, here) in done.others.items()
        ),
        Text(),
        table(columns, modules, width, indent=2),
    ]
    if done.holds:
        lines += [Text(), Text(f"verified: {name} is what its graph compiles to")]
    return Text("\n").join(lines)


def _brief(value: str) -> str:
    return value if " " in value else value[:8]


def _remedy(done: "Rebuild") -> str:
    if not done.others:
        return "the release was not made by the compiler that it names, or this is a bug: please report it"
    wanted = " and ".join(f"{name} {_brief(said)}" for name, (said, _) in done.others.items())
    revision = done.provenance.get("revision")
    at = f" (its project was at revision {revision[:12]})" if revision else ""
    return f"repeat it with {wanted}{at}"


def _document(manifest: Manifest, signers: list[str], done: "Rebuild") -> dict[str, object]:
    return {
        "model": manifest.model,
        "version": manifest.version,
        "manifest": sha256(manifest.encode()).hex(),
        "signers": signers,
        "reproduced": done.holds,
        "golden": done.golden,
        "modules": [
            {
                "target": module.target,
                "released": module.released.sha256.hex(),
                "rebuilt": module.found.sha256.hex(),
                "difference": module.difference,
            }
            for module in done.modules
        ],
        "others": {name: {"release": said, "here": here} for name, (said, here) in done.others.items()},
        "provenance": dict(done.provenance),
    }
