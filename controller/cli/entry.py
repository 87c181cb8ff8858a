"""Where `fleet` starts; imports only the standard library until it knows that the rest is there."""

import sys
from importlib.util import find_spec

EXTRA = ("typer", "rich", "httpx", "platformdirs", "numpy", "onnx", "textual")
"""Packages of the extra [controller] that tell whether it is installed."""


def main() -> None:
    """Run the command line, and exit with its code."""
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        print(  # noqa: T201 - nothing that prints better is installed
            f"error: fleet needs packages that are not installed here: {', '.join(missing)}\n"
            "  try     pip install 'modelfleet[controller]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from controller.cli.app import run  # noqa: PLC0415 - needs the extra

    sys.exit(run(sys.argv[1:]))
