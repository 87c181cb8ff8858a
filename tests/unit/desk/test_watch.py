"""The dashboard, driven by keys."""

import asyncio

import pytest
from textual.widgets import OptionList

from controller.cli.watch.app import Dashboard
from controller.cli.watch.dialogs import Help, Question
from protocol import api
from protocol.errors import UnreachableError
from tests.unit.desk import samples

V1 = "/api/v1"


@pytest.fixture
def app(controller):
    controller.on("GET", f"{V1}/status", samples.status())
    controller.on("GET", f"{V1}/devices", api.DevicePage(items=[samples.device(), samples.device("dev-1")]))
    controller.on("GET", f"{V1}/devices/dev-0207", samples.device())
    controller.on("GET", f"{V1}/devices/dev-0207/why", samples.why())
    controller.on("GET", f"{V1}/groups/farm-a", samples.group())
    controller.on("GET", f"{V1}/rollouts/57", samples.rollout())
    for action in ("pause", "resume", "back"):
        controller.on("POST", f"{V1}/rollouts/57/{action}", samples.rollout("paused"))
    return Dashboard(controller.client(), period=3600)


def drive(app, script, width=80):
    async def session():
        async with app.run_test(size=(width, 30)) as pilot:
            await settle(app, pilot)
            await script(pilot)

    asyncio.run(session())


async def settle(app, pilot):
    """Wait until every question is answered and drawn."""
    await app.workers.wait_for_complete()
    await pilot.pause()


async def press(app, pilot, *keys):
    for key in keys:
        await pilot.press(key)
        await settle(app, pilot)


def page(app):
    """What the list shows, as text."""
    options = app.query_one("#page", OptionList).options
    return "\n".join(str(getattr(option.prompt, "plain", option.prompt)) for option in options)


def title(app):
    return str(app.query_one("#title").render())


def chosen(app):
    return app.query_one("#page", OptionList).highlighted_option.id


def test_it_opens_on_what_needs_a_person(app):
    async def script(_):
        assert chosen(app) == "device:dev-0207:1"
        assert "472 devices · 465 online · 3 stale · 4 failed" in title(app)
        assert page(app).splitlines()[0] == "needs you"
        assert "rollout 57: wave 2 of 3, 23 of 42 confirmed" in page(app)
        assert "farm-b" in page(app)

    drive(app, script)


def test_enter_opens_and_escape_goes_back(app):
    async def script(pilot):
        await press(app, pilot, "enter")
        assert "device dev-0207" in title(app)
        assert "What would change it" in page(app)
        await press(app, pilot, "escape", "down", "down", "enter")
        assert "rollout 57" in title(app)
        assert "conv_12" in page(app)
        await press(app, pilot, "enter")
        assert title(app).startswith("fleet / rollout 57 / device dev-0207")
        await press(app, pilot, "escape", "escape", "down", "down", "down", "enter")
        assert title(app).startswith("fleet / group farm-a   2 devices   wants crop-model 1.3.0")

    drive(app, script)


def test_filter(app):
    async def script(pilot):
        await press(app, pilot, "slash", *"farm-b")
        assert "farm-b" in page(app)
        assert "farm-a " not in page(app)
        assert "dev-0207" not in page(app)
        await press(app, pilot, "enter")
        assert chosen(app) == "group:farm-b:1"
        await press(app, pilot, "escape")
        assert "dev-0207" in page(app)

    drive(app, script)


@pytest.mark.parametrize(("key", "action"), [("p", "pause"), ("r", "resume"), ("b", "back")])
def test_actions_are_asked_once_more(app, controller, key, action):
    path = f"{V1}/rollouts/57/{action}"

    async def script(pilot):
        await press(app, pilot, key)
        assert not isinstance(app.screen, Question)
        await press(app, pilot, "down", "down", key)
        assert isinstance(app.screen, Question)
        await press(app, pilot, "n")
        assert not [request for request in controller.requests if request.url.path == path]
        await press(app, pilot, key, "y")
        assert [request.method for request in controller.requests if request.url.path == path] == ["POST"]

    drive(app, script)


def test_help_and_quit(app):
    async def script(pilot):
        await press(app, pilot, "question_mark")
        assert isinstance(app.screen, Help)
        await press(app, pilot, "escape")
        assert not isinstance(app.screen, Help)
        await pilot.press("q")

    drive(app, script)


def test_a_controller_that_goes_away_is_told_and_the_page_stays(app, controller):
    async def script(pilot):
        before = page(app)
        controller.on("GET", f"{V1}/status", lambda _: UnreachableError("no controller"))
        app._ask_controller()
        await settle(app, pilot)
        assert "no controller" in title(app)
        assert "this is how it was" in title(app)
        assert page(app) == before

    drive(app, script)


def test_the_chosen_line_stays_chosen_when_lines_move(app, controller):
    async def script(pilot):
        await press(app, pilot, "down", "down")
        assert chosen(app) == "rollout:57:1"
        more = api.Attention(device="dev-9", state="failed", text="trap in conv_1", since=samples.NOW)
        status = samples.status()
        controller.on(
            "GET", f"{V1}/status", status.model_copy(update={"attention": [more, *status.attention]})
        )
        app._ask_controller()
        await settle(app, pilot)
        assert "dev-9" in page(app)
        assert chosen(app) == "rollout:57:1"

    drive(app, script)


@pytest.mark.parametrize("width", [80, 120])
def test_everything_fits(app, width):
    async def script(pilot):
        for keys in ((), ("enter",), ("escape", "down", "down", "enter"), ("escape", "end", "up", "enter")):
            await press(app, pilot, *keys)
            assert max(map(len, page(app).splitlines())) <= width - 2
        hints = str(app.query_one("#hints").render())
        assert len(hints) <= 78

    drive(app, script, width)
