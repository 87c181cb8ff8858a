"""The controller's HTTP API, as seen from the desk."""

from controller.client.client import Client
from controller.client.config import Endpoint, load_endpoint
from controller.client.errors import BadAnswerError, ConfigError, TokenRefusedError
from controller.client.requests import make_request

__all__ = [
    "BadAnswerError",
    "Client",
    "ConfigError",
    "Endpoint",
    "TokenRefusedError",
    "load_endpoint",
    "make_request",
]
