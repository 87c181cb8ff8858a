"""A controller made of answers, and the command line in this process."""

import io
import json
from dataclasses import dataclass, field

import httpx
import pytest

from controller.cli.app import run
from controller.client import Client, Endpoint
from controller.client.transport import Transport
from protocol import api

URL = "http://127.0.0.1:7400"


@dataclass
class Controller:
    """Answers by (method, path): a resource, a list of them, bytes, or a function of the request."""

    answers: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)

    def on(self, method, path, answer, status=200):
        self.answers[method, path] = (answer, status)

    def problem(self, method, path, status, **fields):
        self.on(method, path, api.Problem(status=status, **fields), status)

    def handle(self, request):
        self.requests.append(request)
        try:
            answer, status = self.answers[request.method, request.url.path]
        except KeyError:
            return httpx.Response(404, json=api.Problem(status=404, title=f"nothing at {request.url.path}",
                                                        exit_code=3).model_dump())  # fmt: skip
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return httpx.Response(status, content=answer)
        if isinstance(answer, list):
            return httpx.Response(status, json=[item.model_dump(mode="json") for item in answer])
        return httpx.Response(status, json=answer.model_dump(mode="json"))

    def sent(self, method, path):
        """Bodies of the requests to one endpoint, as JSON."""
        return [
            json.loads(request.content)
            for request in self.requests
            if (request.method, request.url.path) == (method, path)
        ]

    def client(self, **options):
        transport = Transport(
            Endpoint(URL, "secret"), via=httpx.MockTransport(self.handle), sleep=lambda _: None, **options
        )
        return Client(transport)


@pytest.fixture
def controller(monkeypatch):
    controller = Controller()
    monkeypatch.setattr(Client, "from_environment", lambda **_: controller.client())
    return controller


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Nobody's own keys or configuration."""
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    for name in ("FLEET_CONTROLLER", "FLEET_TOKEN", "FLEET_CA", "FLEET_DATA", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def fleet(capsys):
    """Run one command line."""

    def command(*words):
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return command


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        return True
