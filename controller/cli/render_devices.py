"""Devices, one or many."""

from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.cli.render_rollout import style
from controller.cli.terminal import NEEDS_YOU, PROGRESS, QUIET, SETTLED, STRONG
from protocol.api import Device, WantedModel


def state(device: Device) -> Text:
    """One word for a device: what an operator wants to know first."""
    if not device.claimed:
        return Text("invited", PROGRESS)
    if device.fault or any(model.state == "failed" for model in device.models.values()):
        return Text("failed", NEEDS_YOU)
    if device.stale:
        return Text("stale", NEEDS_YOU)
    return Text("online", SETTLED) if device.online else Text("offline", QUIET)


def seen(device: Device, now: float) -> str:
    """When it was last heard of."""
    return text.ago(device.last_seen, now) if device.last_seen is not None else "never"


def _model(name: str, model: WantedModel) -> Text:
    """`crop-model 1.2.0 (1.3.0 fetching)`, `crop-model 1.3.0 (observing)`."""
    said = Text(f"{name} {model.running or 'none'}")
    going_on: str = "" if model.state == "confirmed" else model.state
    if model.wanted != model.running:
        going_on = f"{model.wanted or 'to be removed'} {model.state}"
    if going_on:
        said.append_text(Text.assemble(" (", (going_on, style(model.state)), ")"))
    return said


COLUMNS = (
    Column("DEVICE"), Column("STATE"), Column("SEEN"), Column("RUNS", wraps=True), Column("GROUPS"),
    Column("LABELS", wraps=True),
)  # fmt: skip


def row(device: Device, now: float) -> list[Cell]:
    """The line of one device."""
    return [
        device.name,
        state(device),
        seen(device, now),
        Text(" · ").join(_model(name, model) for name, model in sorted(device.models.items())),
        ",".join(device.groups) or "-",
        " ".join(f"{key}={value}" for key, value in sorted(device.labels.items())),
    ]


def many(devices: list[Device], width: int, now: float) -> Text:
    """A line for each device."""
    return table(COLUMNS, [row(device, now) for device in devices], width)


def one(device: Device, width: int, now: float) -> Text:
    """Everything about one device."""
    has = device.capabilities
    facts: list[tuple[str, Cell]] = [
        ("class", device.device_class),
        ("groups", ", ".join(device.groups) or "none"),
        ("labels", " ".join(f"{key}={value}" for key, value in sorted(device.labels.items())) or "none"),
        ("wanted", f"generation {device.generation}"),
        (
            "reported",
            "nothing yet"
            if device.reported_generation is None
            else f"generation {device.reported_generation}",
        ),
    ]
    if has:
        free = f", {text.size(has.storage)} free" if has.storage is not None else ""
        facts += [
            ("runs", f"{', '.join(has.targets)}; module ABI {text.abi(has.abi)}; agent {has.agent}"),
            ("memory", f"{text.size(has.memory)} for each module{free}"),
        ]
        if has.platform:
            facts.append(("platform", has.platform))
    if device.fault:
        facts.append(("fault", Text(device.fault.text, NEEDS_YOU)))
    for name, model in sorted(device.models.items()):
        facts.append(("model", _model_facts(name, model)))
    head = Text.assemble((device.name, STRONG), "  ", state(device), f"  seen {seen(device, now)}")
    columns = [Column(""), Column("", wraps=True)]
    return Text("\n").join([head, table(columns, [list(fact) for fact in facts], width, indent=2)])


def _model_facts(name: str, model: WantedModel) -> Text:
    said = _model(name, model)
    report = model.report
    if report and report.usage:
        usage = report.usage
        speed = f" · p95 {text.milliseconds(usage.p95_us)}" if usage.p95_us else ""
        said.append(
            f" · {text.count(usage.rate)} inferences/s{speed}"
            f" · {text.count(usage.inferences)} answered, {text.count(usage.failures)} failed"
        )
    if report and report.fault:
        said.append(f" · {report.fault.text}", NEEDS_YOU)
    return said
