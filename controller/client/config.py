"""Where the controller is, and the token it wants."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from controller.client.errors import ConfigError

DEFAULT_URL = "http://127.0.0.1:7400"


@dataclass(frozen=True)
class Endpoint:
    """A controller and how to speak to it."""

    url: str
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    """PEM file of the authority, or of the controller's own certificate; None: the system's authorities."""


def config_folder() -> Path:
    """The desk's configuration: `$XDG_CONFIG_HOME/fleet`."""
    return platformdirs.user_config_path("fleet", appauthor=False)


def load_endpoint(env: Mapping[str, str] = os.environ, folder: Path | None = None) -> Endpoint:
    """`FLEET_CONTROLLER`, `FLEET_TOKEN` and `FLEET_CA`, else what `fleet up` or `login` wrote.

    The stored token is for the stored address only, so that it is not sent to another host.

    Raises:
        ConfigError: `client.json` is unreadable, or the address is not one of HTTP.
    """
    stored = _read((folder or config_folder()) / "client.json")
    url = env.get("FLEET_CONTROLLER") or stored.get("controller") or DEFAULT_URL
    url = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"{url!r} is not the address of a controller",
            where="FLEET_CONTROLLER" if env.get("FLEET_CONTROLLER") else "client.json",
            remedy=f"an address looks like {DEFAULT_URL}",
        )
    token, ca = env.get("FLEET_TOKEN"), env.get("FLEET_CA")
    if stored.get("controller", DEFAULT_URL).rstrip("/") == url:
        token, ca = token or stored.get("token"), ca or stored.get("ca")
    return Endpoint(url, token, Path(ca) if ca else None)


def save_endpoint(endpoint: Endpoint, folder: Path | None = None) -> Path:
    """Keep where the controller is for the next commands; readable by this user only.

    Raises:
        ConfigError: the file cannot be written.
    """
    path = (folder or config_folder()) / "client.json"
    fields = {"controller": endpoint.url, "token": endpoint.token, "ca": endpoint.ca and str(endpoint.ca)}
    beside = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({key: value for key, value in fields.items() if value}, file)
        beside.rename(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path.name}: {error.strerror}", where=str(path)) from error
    return path


def _read(path: Path) -> dict[str, str]:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise ConfigError(
            f"cannot read {path.name}: {reason}", where=str(path), remedy="fleet up writes it anew"
        ) from error
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ConfigError(
            f"{path.name} is not a map of strings", where=str(path), remedy="fleet up writes it anew"
        )
    return value
