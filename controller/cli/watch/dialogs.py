"""Small windows: the question before an action, and the keys."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = """\
 ↑ ↓        move              Enter   open group, device or rollout
 Esc        up                /       filter the lines; Esc ends it
 p          pause a rollout   r       resume it
 b          take it back      each is asked once more
 ?          this              q       leave\
"""


class Question(ModalScreen[bool]):
    """Asks once more; y is yes, everything else is no."""

    BINDINGS = [
        Binding("y", "answer(True)"),
        Binding("n,escape,q,enter", "answer(False)"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question in its window."""
        with Vertical(classes="dialog"):
            yield Static(self._question, markup=False)
            yield Static("y yes · n no", classes="quiet", markup=False)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)


class Help(ModalScreen[None]):
    """The keys."""

    BINDINGS = [Binding("escape,q,question_mark,enter", "close")]

    def compose(self) -> ComposeResult:
        """The list of keys in its window."""
        with Vertical(classes="dialog"):
            yield Static(KEYS, markup=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss()
