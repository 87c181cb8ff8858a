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


def config_folder() -> Path:
    """The desk's configuration: `$XDG_CONFIG_HOME/fleet`."""
    return platformdirs.user_config_path("fleet", appauthor=False)


def load_endpoint(env: Mapping[str, str] = os.environ, folder: Path | None = None) -> Endpoint:
    """`FLEET_CONTROLLER` and `FLEET_TOKEN`, else what `fleet up` wrote for this user.

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
    token = env.get("FLEET_TOKEN")
    if not token and stored.get("controller", DEFAULT_URL).rstrip("/") == url:
        token = stored.get("token")
    return Endpoint(url, token)


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
