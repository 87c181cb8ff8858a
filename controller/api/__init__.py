"""The controller's HTTP API."""

from controller.api.app import make_app

__all__ = ["make_app"]
