"""A PKCS#11 token in software (SoftHSM2 from Debian), in a folder of its own."""

import os
import subprocess
from pathlib import Path

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
TOKEN, PIN = "fleet", "4321-8765"


def make_token(folder: Path) -> str:
    """Initialise a token under `folder`; the value that SOFTHSM2_CONF must have to find it."""
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--so-pin", "so-pin-12", "--pin", PIN],
        env=os.environ | {"SOFTHSM2_CONF": str(configuration)}, check=True, capture_output=True,
    )  # fmt: skip
    return str(configuration)
