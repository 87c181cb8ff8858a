"""Where keys are: the desk's folder, and the controller's."""

from pathlib import Path

import platformdirs

from controller.cli.passphrases import Asker
from controller.client.config import config_folder
from controller.keys import KeyStore


def controller_data(data: Path | None) -> Path:
    """The controller's data folder: as given, else `$XDG_DATA_HOME/fleet/controller`."""
    return data or platformdirs.user_data_path("fleet", appauthor=False) / "controller"


def key_store(passphrase_file: Path | None = None, folder: Path | None = None) -> KeyStore:
    """The keys of this desk, or of another folder."""
    return KeyStore(folder or config_folder() / "keys", Asker(passphrase_file))
