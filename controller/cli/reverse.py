"""`fleet rollback` and `fleet remove`."""

from controller.cli import parse
from controller.cli.follow import Waiter, begun, deadline, follow
from controller.cli.options import Detach, Group, Json, Model, Observe, Timeout
from controller.cli.terminal import note
from controller.client import Client, make_request
from protocol import api


def rollback(
    model: Model,
    group: Group,
    detach: Detach = False,
    observe: Observe = "20,30s",
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Take a group back to the release it wanted before this one.

    fleet rollback crop-model --group farm-a
    """
    request = make_request(api.RollbackRequest, model=model, group=group, observe=parse.observation(observe))
    limit = parse.seconds(timeout, "--timeout") if timeout else None
    with Client.from_environment() as client:
        started = client.rollback(request)
        if detach:
            begun(started, json=json)
            return
        note(f"{group} goes back to {model} {started.plan.version} (rollout {started.rollout})")
        follow(Waiter(client, started.rollout, deadline(limit)), json=json)


def remove(
    model: Model, group: Group, detach: Detach = False, timeout: Timeout = None, json: Json = False
) -> None:
    """Take a model off every device of a group.

    fleet remove crop-model --group farm-a
    """
    request = make_request(api.RemoveRequest, model=model, group=group)
    limit = parse.seconds(timeout, "--timeout") if timeout else None
    with Client.from_environment() as client:
        started = client.remove(request)
        if detach:
            begun(started, json=json)
            return
        note(f"{model} leaves {group} (rollout {started.rollout})")
        follow(Waiter(client, started.rollout, deadline(limit)), json=json)
