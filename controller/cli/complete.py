"""What the shell completes: names that the controller knows, asked for with little patience."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from controller.cli.projects import project_names
from controller.client import Client
from protocol.errors import FleetError

PATIENCE = 1.0
"""Seconds."""


def _ask(question: Callable[[Client], Iterable[str]], incomplete: str) -> list[str]:
    try:
        with Client.from_environment(timeout=PATIENCE) as client:
            names = list(question(client))
    except FleetError:
        return []
    return sorted({name for name in names if name.startswith(incomplete)})


def devices(incomplete: str) -> list[str]:
    """Names of devices."""
    return _ask(lambda client: (device.name for device in client.devices()), incomplete)


def groups(incomplete: str) -> list[str]:
    """Names of groups."""
    return _ask(lambda client: (group.name for group in client.groups()), incomplete)


def models(incomplete: str) -> list[str]:
    """Names of model projects near here, and of released models."""
    here = [name for name in project_names(Path.cwd()) if name.startswith(incomplete)]
    released = _ask(lambda client: (release.model for release in client.releases()), incomplete)
    return sorted({*here, *released})


def versions(ctx: Any, incomplete: str) -> list[str]:
    """Versions of the model that stands before on the command line."""
    model = ctx.params.get("model")
    return _ask(lambda client: (release.version for release in client.releases(model)), incomplete)


def rollouts(incomplete: str) -> list[str]:
    """Numbers of rollouts."""
    return _ask(lambda client: (str(rollout.id) for rollout in client.rollouts()), incomplete)
