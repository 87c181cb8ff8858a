"""Inference through the agent: over the pipe to its runner process, and through its HTTP API.

python -m tests.bench.inference.agent MODULE.wasm serves one module as the agent does, without a broker,
and prints the port.
"""

import asyncio
import http.client
import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import uvicorn

from device_agent.inference_api.http import application
from device_agent.runner.supervisor import Runner
from device_agent.serving import Loaded, Service
from protocol.documents import Slot
from protocol.module import read_meta
from tests.bench.inference.engines import Called, Looped, Timed
from tests.bench.inference.models import Prepared

DEADLINE = 60.0


class _Host:
    """What the API asks of a daemon."""

    def __init__(self, service: Service) -> None:
        self.services = {service.model: service}

    def status(self) -> dict[str, object]:
        return {}


def pipe(model: Prepared, stack: ExitStack) -> Timed:
    """A runner process as the agent starts it, asked over its socket."""
    loop = stack.enter_context(asyncio.Runner())
    meta = model.compiled.meta
    runner = loop.run(Runner.start(meta))
    stack.callback(lambda: loop.run(runner.stop()))
    loop.run(runner.load(model.compiled.wasm, None))
    inputs = {meta.inputs[0].name: model.values().tobytes()}

    async def repeat(count: int) -> bytes:
        for _ in range(count):
            outputs = await runner.run(inputs, DEADLINE)
        return outputs[meta.outputs[0].name].data

    output = np.frombuffer(loop.run(repeat(1)), np.float32)
    return Looped(lambda count: loop.run(repeat(count)), output)


def over_http(model: Prepared, stack: ExitStack) -> Timed:
    """One request an inference on a connection that stays open, tensors in binary."""
    command = [sys.executable, "-m", __name__, str(model.wasm)]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    connection = http.client.HTTPConnection("127.0.0.1", int(process.stdout.readline()))
    stack.callback(connection.close)
    meta, values = model.compiled.meta, model.values()
    tensor = {"name": meta.inputs[0].name, "datatype": "FP32", "shape": list(values.shape)}
    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": values.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    length = "Inference-Header-Content-Length"
    headers = {length: str(len(head)), "Content-Type": "application/octet-stream"}
    path = f"/v2/models/{meta.name}/infer"

    def infer() -> np.ndarray:
        connection.request("POST", path, head + values.tobytes(), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(body.decode())
        return np.frombuffer(body[int(answer.headers[length]) :], np.float32)

    def reconnect() -> None:
        # The server gives up a connection that was idle while others were measured.
        connection.close()
        connection.connect()

    return Called(infer, reconnect)


async def _serve(wasm: bytes, listener: socket.socket) -> None:
    meta = read_meta(wasm)
    runner = await Runner.start(meta)
    await runner.load(wasm, None)

    async def never(_manifest: bytes) -> None:
        return None

    service = Service(meta.name, never, lambda _loaded, _fault: False)
    slot = Slot(manifest=bytes(32), version=meta.version, sequence=0, target=meta.target)
    await service.switch(Loaded(runner, slot, DEADLINE), keep=False)
    # As device_agent.daemon sets it up.
    config = uvicorn.Config(
        application(_Host(service), "bench"), log_config=None, access_log=False, lifespan="off", ws="none",
        http="h11",
    )  # fmt: skip
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as port:
        sys.stdout.write(f"{port.getsockname()[1]}\n")
        sys.stdout.flush()
        asyncio.run(_serve(Path(sys.argv[1]).read_bytes(), port))
