"""The dashboard: a stack of views, asked anew every second or so."""

import time
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from controller.cli.terminal import NEEDS_YOU, QUIET, STRONG
from controller.cli.watch.dialogs import Help, Question
from controller.cli.watch.views import VIEWS, Goal, Home, Line, View
from controller.client import Client
from controller.client.client import Action
from protocol.errors import FleetError

PERIOD = 1.0
"""Seconds between two questions."""
HINTS = "Enter open · Esc up · / filter · p pause · r resume · b back · ? help · q quit"
ACTIONS: dict[Action, str] = {
    "pause": "Pause rollout {}? Devices that have begun go on.",
    "resume": "Resume rollout {}?",
    "back": "Take rollout {} back? Its devices return to what they ran before.",
}


class Dashboard(App[None]):
    """`fleet status --watch`.

    Args:
        client: The controller.
        period: Seconds between two questions.
    """

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit"),
        Binding("escape", "up"),
        Binding("slash", "filter"),
        Binding("p", "ask('pause')"),
        Binding("r", "ask('resume')"),
        Binding("b", "ask('back')"),
        Binding("question_mark", "help"),
    ]

    def __init__(self, client: Client, *, period: float = PERIOD) -> None:
        super().__init__()
        self._client = client
        self._period = period
        self._views: list[View] = [Home()]
        self._answer: Any = None
        self._answered = 0.0
        self._problem = ""
        self._filter = ""

    def compose(self) -> ComposeResult:
        """Title, page, filter, hints."""
        yield Static(id="title", markup=False)
        with Vertical(id="body"):
            yield OptionList(id="page", markup=False)
        yield Input(id="filter", placeholder="filter", compact=True)
        yield Static(HINTS, id="hints", markup=False)

    def on_mount(self) -> None:
        """Start asking."""
        self.query_one("#filter", Input).display = False
        self.query_one("#page", OptionList).focus()
        self.set_interval(self._period, self._ask_controller)
        self._ask_controller()

    def on_resize(self, _: Resize) -> None:
        """Set the page for the new width."""
        self._draw()

    @property
    def view(self) -> View:
        """The page that is open."""
        return self._views[-1]

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _ask_controller(self) -> None:
        view = self.view
        worker = get_current_worker()
        answer, problem = None, ""
        try:
            answer = view.fetch(self._client)
        except FleetError as error:
            problem = error.what
        if not worker.is_cancelled:
            self.call_from_thread(self._take, view, answer, problem)

    def _take(self, view: View, answer: Any, problem: str) -> None:
        if view is not self.view:
            return
        self._problem = problem
        if not problem:
            self._answer, self._answered = answer, time.time()
        self._draw()

    def _draw(self) -> None:
        title = self.query_one("#title", Static)
        trail = Text(" / ".join(view.path for view in self._views), STRONG)
        if self._answer is None:
            waiting = (
                Text(self._problem, NEEDS_YOU) if self._problem else Text("asking the controller", QUIET)
            )
            title.update(Text.assemble(trail, "   ", waiting))
            return
        page = self.query_one("#page", OptionList)
        picture = self.view.picture(self._answer, max(40, page.size.width - 2), time.time())
        late = Text()
        if self._problem:
            passed = time.time() - self._answered
            late = Text(f"\n{self._problem}; this is how it was {passed:.0f} s ago", NEEDS_YOU)
        title.update(Text.assemble(trail, "   ", picture.heading, late))
        self._fill(page, [line for line in picture.lines if self._passes(line)])

    def _passes(self, line: Line) -> bool:
        """Lines that lead nowhere are headings, and stay."""
        return line.goal is None or self._filter.lower() in line.text.plain.lower()

    def _fill(self, page: OptionList, lines: list[Line]) -> None:
        """Replace the lines; the one that was chosen stays chosen, wherever it moved."""
        chosen = page.highlighted_option.id if page.highlighted_option else None
        options = []
        taken: dict[str, int] = {}
        for line in lines:
            name = None
            if line.goal:
                base = f"{line.goal.kind}:{line.goal.name}"
                taken[base] = taken.get(base, 0) + 1
                name = f"{base}:{taken[base]}"
            # Pages without any goal are texts to be scrolled: every line may be chosen there.
            options.append(Option(line.text, id=name, disabled=name is None and any(x.goal for x in lines)))
        at = page.highlighted
        offset = page.scroll_offset
        with self.batch_update():
            page.set_options(options)
            names = [option.id for option in options]
            if chosen in names and chosen is not None:
                page.highlighted = names.index(chosen)
            elif at is not None and at < len(options) and not options[at].disabled:
                page.highlighted = at
            else:
                page.action_first()
            page.scroll_to(y=offset.y, animate=False)

    def _goal(self) -> Goal | None:
        option = self.query_one("#page", OptionList).highlighted_option
        if option is None or option.id is None:
            return None
        kind, name, _ = option.id.split(":")
        return Goal(kind, name)  # type: ignore[arg-type]  # ids are made of goals only

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """Enter: open what the line is about."""
        goal = self._goal()
        if goal is not None:
            self._open([*self._views, VIEWS[goal.kind](goal.name)])

    def _open(self, views: list[View]) -> None:
        self._views = views
        self._answer, self._problem = None, ""
        self._end_filter()
        self.query_one("#page", OptionList).clear_options()
        self._draw()
        self._ask_controller()

    def action_up(self) -> None:
        """Esc: end the filter, or go back one page."""
        if self._filter or self.query_one("#filter", Input).display:
            self._end_filter()
            self._draw()
        elif len(self._views) > 1:
            self._open(self._views[:-1])

    def action_filter(self) -> None:
        """Open the filter line."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def _end_filter(self) -> None:
        box = self.query_one("#filter", Input)
        with self.prevent(Input.Changed):
            box.value = ""
        self._filter = ""
        box.display = False
        self.query_one("#page", OptionList).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self._filter = event.value
        self._draw()

    def on_input_submitted(self, _: Input.Submitted) -> None:
        """Enter in the filter: keep it, and go to the lines."""
        box = self.query_one("#filter", Input)
        box.display = bool(self._filter)
        self.query_one("#page", OptionList).focus()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help())

    def action_ask(self, action: Action) -> None:
        """Ask once more, then act on the rollout of the page or of the line."""
        goal = self._goal()
        number = self.view.rollout
        if number is None and goal is not None and goal.kind == "rollout":
            number = int(goal.name)
        if number is None:
            self.notify("choose a rollout first", severity="warning")
            return

        def act(yes: bool | None) -> None:
            if yes:
                self._act(number, action)

        self.push_screen(Question(ACTIONS[action].format(number)), act)

    @work(thread=True, exit_on_error=False)
    def _act(self, number: int, action: Action) -> None:
        try:
            rollout = self._client.act(number, action)
        except FleetError as error:
            self.call_from_thread(self.notify, error.what, severity="error")
            return
        self.call_from_thread(self.notify, f"rollout {number}: {rollout.state}")
        self.call_from_thread(self._ask_controller)
