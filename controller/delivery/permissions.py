"""Who may do what at a broker, in the words of each broker; `protocol.topics` says it once for all."""

from collections.abc import Iterable, Mapping

from controller.delivery.authority import CONTROLLER, CONTROLLER_URI, app_user, device_uri
from protocol import topics

_CONTROLLER_AND_DEVICES = f"""\
# Written by the controller, which alone may do everything. No device's name has its underscore.
user {CONTROLLER}
topic readwrite {topics.PREFIX}/#

# A device (%u) reads what is published for all and for it, and writes what it says itself.
"""
_APPLICATIONS = """
# An application asks devices and hears their answers. The patterns above hold for every user, so they are
# taken back: what denies counts before what grants.
"""


def mosquitto_acl(apps: Mapping[str, str | None]) -> str:
    """The `acl_file` of mosquitto, whose users are the common names of certificates.

    Args:
        apps: As for `nats_users`.
    """
    lines = [
        *(f"pattern read {topics.PREFIX}/{kind}/+" for kind in sorted(topics.SHARED_READS)),
        *(f"pattern read {_device(leaf, '%u')}" for leaf in sorted(topics.DEVICE_READS)),
        *(f"pattern write {_device(leaf, '%u')}" for leaf in sorted(topics.DEVICE_WRITES)),
    ]
    text = _CONTROLLER_AND_DEVICES + _lines(lines) + (_APPLICATIONS if apps else "")
    for name, uri in sorted(apps.items()):
        text += f"user {app_user(name)}\n" + _lines(_nothing() if uri is None else _questions(name))
    return text


def _questions(name: str) -> list[str]:
    return [
        *(f"topic deny {topics.PREFIX}/{kind}/+" for kind in sorted(topics.SHARED_READS)),
        f"topic deny {topics.PREFIX}/d/{app_user(name)}/#",
        *(f"topic read {topics.every_device(leaf)}" for leaf in sorted(topics.APP_READS)),
        *(f"topic write {topics.every_device(leaf)}" for leaf in sorted(topics.APP_WRITES)),
    ]


def _nothing() -> list[str]:
    # Without it, the patterns would hold for a live session until that is cut off.
    return [f"topic deny {topics.PREFIX}/#"]


def nats_users(devices: Mapping[str, bytes], apps: Mapping[str, str | None]) -> str:
    """The users of a NATS server whose listeners have `verify_and_map`, each with its own permissions.

    Args:
        devices: Name to X25519 public key.
        apps: Application to the URI of its certificate; None if it may no longer do anything.
    """
    shared = [f"{topics.PREFIX}/{kind}/+" for kind in topics.SHARED_READS]
    users = [f'{{ user: "{CONTROLLER_URI}" }}']
    for device, key in sorted(devices.items()):
        reads = [*(_device(leaf, device) for leaf in topics.DEVICE_READS), *shared]
        users.append(
            _user(device_uri(device, key), reads, (_device(leaf, device) for leaf in topics.DEVICE_WRITES))
        )
    for _, uri in sorted(apps.items()):
        if uri is not None:
            users.append(
                _user(
                    uri,
                    map(topics.every_device, topics.APP_READS),
                    map(topics.every_device, topics.APP_WRITES),
                )
            )
    return "authorization { users: [\n" + _lines(f"  {user}" for user in users) + "] }\n"


def _user(uri: str, reads: Iterable[str], writes: Iterable[str]) -> str:
    publish, subscribe = _subjects(writes), _subjects(reads)
    return (
        f'{{ user: "{uri}", permissions: '
        f"{{ publish: {{ allow: [{publish}] }}, subscribe: {{ allow: [{subscribe}] }} }} }}"
    )


def _subjects(names: Iterable[str]) -> str:
    return ", ".join(f'"{name.replace("/", ".").replace("+", "*")}"' for name in sorted(names))


def _device(leaf: str, device: str) -> str:
    return topics.every_device(leaf).replace("+", device)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
