"""Headless Chromium visits a page on the loopback, which posts its result."""

import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import TextIO

from tests.engines.errors import HostError

_TYPES = {".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm"}
# Containers have no user namespaces for its sandbox and a small /dev/shm.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def visit(page: str, files: Mapping[str, bytes], deadline: float) -> bytes:
    """Open a page and wait for what it posts to `/answers`.

    Args:
        page: Its path.
        files: What the server has, by path.
        deadline: Seconds.

    Raises:
        HostError: There is no Chromium, it died, the page posted to `/error`, or it took too long.
    """
    program = shutil.which("chromium")
    if program is None:
        raise HostError("chromium is missing: scripts/setup --test installs it")
    posted: queue.Queue[tuple[str, bytes]] = queue.Queue()
    with (
        _server(files, posted) as address,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        Path(name, "stderr").open("w+", encoding="utf-8") as said,
        _started([program, *_FLAGS, f"--user-data-dir={name}/profile", f"{address}{page}"], said) as browser,
    ):
        limit = time.monotonic() + deadline
        while time.monotonic() < limit:
            try:
                path, body = posted.get(timeout=0.2)
            except queue.Empty:
                if browser.poll() is None:
                    continue
                said.seek(0)
                end = said.read().strip()[-500:]
                raise HostError(f"chromium ended with {browser.returncode}: {end}") from None
            if path == "/answers":
                return body
            raise HostError(f"chromium: {body.decode()}")
    raise HostError(f"chromium: {page} posted nothing in {deadline:.0f} s")


@contextmanager
def _started(command: list[str], said: TextIO) -> Iterator[subprocess.Popen[bytes]]:
    """A browser and its helpers: a process group, which ends with the block."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _server(files: Mapping[str, bytes], posted: queue.Queue[tuple[str, bytes]]) -> Iterator[str]:
    """Serves the files on the loopback; what is posted goes to the queue."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", _TYPES.get(PurePosixPath(self.path).suffix, "text/plain"))
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def do_POST(self) -> None:
            posted.put((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is of interest."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
