"""`fleet-agent`, also where the packages of the extra `agent` are not installed."""

import sys


def main() -> None:
    """Hand over to the commands, or say in one sentence what is missing."""
    try:
        from device_agent.cli import main as run  # noqa: PLC0415 - this import is what may fail
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] in ("device_agent", "protocol"):
            raise
        print(  # noqa: T201
            f"error: fleet-agent needs the package {error.name}: pip install 'modelfleet[agent]'",
            file=sys.stderr,
        )
        sys.exit(3)
    run()
