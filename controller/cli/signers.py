"""Who signed, in words."""

from collections.abc import Sequence

from controller.cli.key_folder import key_store
from protocol.errors import FleetError


def signer_names(signers: Sequence[str]) -> str:
    """Key ids by the names they have on this desk, where they have one."""
    try:
        names = {key.id.hex(): key.name for key in key_store().stored()}
    except FleetError:
        names = {}
    return ", ".join(names.get(signer, f"key {signer}") for signer in signers)
