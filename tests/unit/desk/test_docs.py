"""docs/cli.md says all of it: commands, options, JSON fields, error classes with their exit codes."""

import re
from pathlib import Path

import pytest

import controller.client.errors
import controller.compiler.errors
import controller.inspection.errors
import controller.keys.errors
import controller.releases.errors
import protocol.errors
from protocol import api
from protocol.documents import Capabilities, Fault, ModelReport, Slot, Usage
from protocol.errors import FleetError
from protocol.module import LayerMeta, ModuleMeta, TensorMeta, WeightMeta
from tests.unit.desk.test_commands import all_commands

TEXT = (Path(__file__).parents[3] / "docs/cli.md").read_text()
ROOMS = (
    protocol.errors,
    controller.client.errors,
    controller.keys.errors,
    controller.releases.errors,
    controller.compiler.errors,
    controller.inspection.errors,
)


@pytest.mark.parametrize(
    "kind",
    [api.Device, api.Why, api.Event, api.Group, api.Release, api.ModuleInfo, api.Rollout, api.Wave,
     api.RolloutDevice, api.PushPlan, api.PlannedDevice, api.Started, api.Status, api.Attention,
     api.GroupModel, api.WantedModel, ModelReport, Capabilities, Fault, Slot, Usage, ModuleMeta, TensorMeta,
     LayerMeta, WeightMeta],
    ids=lambda kind: kind.__name__,
)  # fmt: skip
def test_every_field_is_there(kind):
    missing = [name for name in kind.model_fields if f"`{name}`" not in TEXT]
    assert not missing


@pytest.mark.parametrize(("name", "command"), list(all_commands()), ids=lambda value: str(value)[:30])
def test_every_command_and_option_is_there(name, command):
    family, _, sub = name.partition(" ")
    assert re.search(rf"fleet {name}\b", TEXT) or re.search(rf"fleet {family} [a-z|]*\b{sub}\b", TEXT)
    options = {word for param in command.params for word in param.opts if word.startswith("--")}
    missing = {word for word in options if word not in TEXT}
    assert not missing


def errors():
    for room in ROOMS:
        for kind in vars(room).values():
            if isinstance(kind, type) and issubclass(kind, FleetError) and kind.__module__ == room.__name__:
                yield kind


@pytest.mark.parametrize("kind", sorted(set(errors()), key=lambda kind: kind.__name__))
def test_every_error_is_there_with_its_exit_code(kind):
    assert re.search(rf"^\| `{kind.__name__}` \| {kind.exit_code} \|", TEXT, re.MULTILINE)
