"""Compiled code, kept so that a start takes milliseconds.

Deserializing code that somebody altered is undefined behaviour, so every entry stands under an HMAC
with a key that never leaves the device. An entry that is torn, altered or made for another engine
or CPU counts as absent; it is never an error.
"""

import contextlib
import hashlib
import hmac
import platform
import secrets
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from device_agent.errors import DiskFullError
from device_agent.slots.files import Files, replace_durably

_TAG = 32


def host_fingerprint(cpu_description: str | None = None) -> bytes:
    """Digest of what compiled code depends on: wasmtime's version, the machine, its CPU features.

    Args:
        cpu_description: Contents of `/proc/cpuinfo`; read from there unless given.
    """
    if cpu_description is None:
        try:
            cpu_description = Path("/proc/cpuinfo").read_text()
        except OSError:
            cpu_description = platform.processor()
    features = sorted(
        {
            line
            for line in cpu_description.splitlines()
            if line.startswith(("flags", "Features", "model name"))
        }
    )
    parts = (metadata.version("wasmtime"), platform.machine(), *features)
    return hashlib.sha256("\0".join(parts).encode()).digest()


class CompiledCache:
    """Entries `cache/<module digest>-<host>`; contents: HMAC-SHA256, then the code.

    Args:
        files: Where it lives.
        host: What `host_fingerprint` says.
    """

    def __init__(self, files: Files, host: bytes) -> None:
        self._files = files
        self._host = host
        self._key = self._load_key()

    def _load_key(self) -> bytes:
        key = self._files.read("cache.key")
        if key is None or len(key) != _TAG:
            key = secrets.token_bytes(_TAG)
            # Without room for the key, what is kept now is compiled anew after the next start.
            with contextlib.suppress(DiskFullError):
                replace_durably(self._files, "cache.key", key)
        return key

    def _name(self, module: bytes) -> str:
        return f"{module.hex()}-{self._host.hex()[:16]}"

    def _tag(self, module: bytes, code: bytes | memoryview) -> bytes:
        # Without joining: the code of a large module is the most of what a start reads.
        tag = hmac.new(self._key, b"fleet/v1/code" + module + self._host, "sha256")
        tag.update(code)
        return tag.digest()

    def get(self, module: bytes) -> bytes | None:
        """Code for the module of this SHA-256, or None when it must be compiled."""
        entry = self._files.read(f"cache/{self._name(module)}")
        if entry is None:
            return None
        if not hmac.compare_digest(entry[:_TAG], self._tag(module, memoryview(entry)[_TAG:])):
            return None
        return entry[_TAG:]

    def put(self, module: bytes, code: bytes) -> None:
        """Keep code; where there is no room for it, it is compiled anew next time."""
        try:
            self._files.make_folder("cache")
            replace_durably(self._files, f"cache/{self._name(module)}", self._tag(module, code) + code)
        except DiskFullError:
            self._files.remove(f"cache/{self._name(module)}.new")

    def retain(self, modules: Iterable[bytes]) -> None:
        """Remove the code of all other modules, and of other engines."""
        keep = {self._name(module) for module in modules}
        for name in self._files.names("cache"):
            if name not in keep:
                self._files.remove(f"cache/{name}")
