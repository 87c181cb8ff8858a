"""The Node process that runs `host.mjs`."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
import wasmtime

from protocol.profiling import DRIVER
from tests.bench.inference import peers
from tests.bench.inference.models import Prepared


class NodeError(Exception):
    """Node answered with an error."""


class Node:
    """A context manager; one request at a time.

    Raises:
        PeerError: Node or a package cannot be installed.
    """

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        driver = self.folder / "driver.wasm"
        driver.write_bytes(wasmtime.wat2wasm(DRIVER))
        host = Path(__file__).with_name("host.mjs")
        self._log = (peers.cache_folder() / "node.log").open("w")
        command = [peers.node(), "--no-warnings", host, peers.node_modules(), driver]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()
        self._folder.cleanup()

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request of `host.mjs`.

        Raises:
            NodeError: It failed, or Node is gone.
        """
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        while line and not line.startswith("{"):  # a peer that talks
            line = self._process.stdout.readline()
        if not line:
            raise NodeError(f"Node ended with code {self._process.wait()}; see {self._log.name}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer


def litert(node: Node, model: Prepared) -> "InNode":
    """The same quantized network in LiteRT.js.

    Raises:
        PeerError: The writer of `.tflite` files is missing or does not know an operator.
    """
    folder = node.folder
    graph, file, values = (folder / f"{model.name}.{end}" for end in ("cbor", "tflite", "input"))
    graph.write_bytes(model.graph)
    writer = Path(__file__).with_name("tflite.py")
    peers.run(str(peers.python()), str(writer), str(graph), str(file), cwd=folder)
    array = model.values()
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    array.tofile(values)
    return InNode(node, "litert", file, values)


class InNode:
    """An engine in Node with a model in it; a `Timed`."""

    def __init__(self, node: Node, engine: str, model: Path, values: Path) -> None:
        self._node = node
        self._id = f"{engine} {model}"
        answer = node.ask(do="load", id=self._id, engine=engine, model=str(model), input=str(values))
        self.output = np.array(answer["output"])

    def seconds(self, count: int) -> float:
        return float(self._node.ask(do="time", id=self._id, count=count)["seconds"])
