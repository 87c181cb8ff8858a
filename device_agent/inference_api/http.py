"""Open Inference Protocol v2 (REST) with its binary tensor extension, for localhost.

Answers carry `model_version`, the release that gave them. `/fleet/status` tells the rest about the agent.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from device_agent.inference_api import tensors
from device_agent.serving import Answer, InferenceError, Service
from protocol.module import TensorMeta

HEADER_BYTES, ELEMENT_BYTES = 64 << 10, 64
"""Room in a request: for all that is no number, and for one number as text."""
_HEADER_LENGTH = "inference-header-content-length"
_STATUS = {"input": 400, "unknown-model": 404, "busy": 503, "not-ready": 503}


class Host(Protocol):
    """What the API shows."""

    @property
    def services(self) -> Mapping[str, Service]:
        """Served models by name."""
        ...

    def status(self) -> dict[str, Any]:
        """The agent's state as plain values."""
        ...


def application(host: Host, version: str) -> Starlette:
    """The ASGI application.

    Args:
        host: What it shows.
        version: The agent's version.
    """
    api = _Api(host, version)
    model = "/v2/models/{model}"
    versioned = f"{model}/versions/{{version}}"
    routes = [
        Route("/v2", api.server),
        Route("/v2/health/live", api.live),
        Route("/v2/health/ready", api.ready),
        Route("/fleet/status", api.status),
    ]
    for prefix in (model, versioned):
        routes += [
            Route(prefix, api.model),
            Route(f"{prefix}/ready", api.model_ready),
            Route(f"{prefix}/infer", api.infer, methods=["POST"]),
        ]
    return Starlette(routes=routes, exception_handlers={InferenceError: _problem})


def _problem(_request: Request, error: Exception) -> Response:
    if not isinstance(error, InferenceError):
        raise error
    body: dict[str, Any] = {"error": error.what, "code": error.code}
    if error.layer is not None:
        body["layer"] = error.layer
    return JSONResponse(body, _STATUS.get(error.code, 500))


class _Api:
    def __init__(self, host: Host, version: str) -> None:
        self._host = host
        self._version = version

    async def server(self, _request: Request) -> Response:
        return JSONResponse(
            {"name": "fleet-agent", "version": self._version, "extensions": ["binary_tensor_data"]}
        )

    async def live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _request: Request) -> Response:
        ready = all(service.active is not None for service in self._host.services.values())
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def status(self, _request: Request) -> Response:
        return JSONResponse(self._host.status())

    def _service(self, request: Request) -> Service:
        name = request.path_params["model"]
        service = self._host.services.get(name)
        if service is None:
            known = ", ".join(sorted(self._host.services)) or "none"
            raise InferenceError("unknown-model", f"model {name} is not on this device (there: {known})")
        wanted = request.path_params.get("version")
        if wanted is not None and (service.active is None or service.active.slot.version != wanted):
            running = service.active.slot.version if service.active else "nothing"
            raise InferenceError("unknown-model", f"{name} {wanted} is not running, {running} is")
        return service

    async def model(self, request: Request) -> Response:
        service = self._service(request)
        if service.active is None:
            raise InferenceError("not-ready", f"no release of {service.model} is running on this device")
        meta = service.active.meta
        return JSONResponse(
            {
                "name": meta.name,
                "versions": [meta.version],
                "platform": f"fleet_wasm_{meta.target}",
                "inputs": [tensors.describe(tensor) for tensor in meta.inputs],
                "outputs": [tensors.describe(tensor) for tensor in meta.outputs],
            }
        )

    async def model_ready(self, request: Request) -> Response:
        ready = self._service(request).active is not None
        return JSONResponse({"name": request.path_params["model"], "ready": ready}, 200 if ready else 503)

    async def infer(self, request: Request) -> Response:
        service = self._service(request)
        if service.active is None:
            raise InferenceError("not-ready", f"no release of {service.model} is running on this device")
        known = {tensor.name: tensor for tensor in service.active.meta.inputs}
        most = HEADER_BYTES + ELEMENT_BYTES * sum(tensor.elements for tensor in known.values())
        header, binary = await _read(request, most)
        inputs = _inputs(header, binary, known)
        requested = _requested(header)
        parameters = _parameters(header)
        answer = await service.infer(inputs, reset=parameters.get("sequence_start") is True)
        return _respond(header, requested, answer)


async def _read(request: Request, most: int) -> tuple[dict[str, Any], bytes]:
    """The JSON part of a request of so many bytes at most, and the binary part that may follow it."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise InferenceError("input", f"request is larger than the {most} bytes this model can need")
    try:
        split = int(request.headers.get(_HEADER_LENGTH, len(body)))
        header = json.loads(body[:split])
    except (ValueError, RecursionError) as error:
        raise InferenceError("input", f"request is not JSON: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("inputs"), list):
        raise InferenceError("input", "request must be an object with a list of inputs")
    identity = header.get("id", "")
    if not isinstance(identity, str) or not identity.isprintable():
        raise InferenceError("input", "id must be a printable text")
    return header, bytes(body[split:])


def _parameters(item: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a request, an input or an output."""
    parameters = item.get("parameters")
    if not isinstance(parameters, dict | None):
        raise InferenceError("input", "parameters must be an object")
    return parameters or {}


def _requested(header: dict[str, Any]) -> dict[str, bool]:
    """Names of the outputs asked for, and whether each is to be binary; empty: all of them."""
    outputs = header.get("outputs")
    if outputs is None:
        return {}
    if not isinstance(outputs, list) or not all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in outputs
    ):
        raise InferenceError("input", "outputs must be a list of objects with a name")
    return {item["name"]: _parameters(item).get("binary_data") is True for item in outputs}


def _inputs(header: dict[str, Any], binary: bytes, known: dict[str, TensorMeta]) -> dict[str, bytes]:
    result: dict[str, bytes] = {}
    for item in header["inputs"]:
        name = item.get("name") if isinstance(item, dict) else None
        tensor = known.get(name) if isinstance(name, str) else None
        if tensor is None:
            raise InferenceError(
                "input", f"input {name!a:.80} is unknown; the model takes {', '.join(known)}"
            )
        tensors.check_input(tensor, item.get("datatype"), item.get("shape"))
        size = _parameters(item).get("binary_data_size")
        if isinstance(size, int) and size >= 0:
            result[tensor.name], binary = tensors.check_size(tensor, binary[:size]), binary[size:]
        else:
            result[tensor.name] = tensors.from_json(tensor, item.get("data"))
    missing = known.keys() - result.keys()
    if missing:
        raise InferenceError("input", f"input {', '.join(sorted(missing))} is missing")
    return result


def _respond(header: dict[str, Any], requested: dict[str, bool], answer: Answer) -> Response:
    everything_binary = _parameters(header).get("binary_data_output") is True
    outputs, binary = [], b""
    for tensor in answer.meta.outputs:
        if requested and tensor.name not in requested:
            continue
        shape, data = answer.outputs[tensor.name]
        output = {**tensors.describe(tensor), "shape": list(shape)}
        if requested.get(tensor.name, everything_binary):
            output["parameters"] = {**output.get("parameters", {}), "binary_data_size": len(data)}
            binary += data
        else:
            output["data"] = tensors.to_json(tensor, data)
        outputs.append(output)
    body: dict[str, Any] = {
        "model_name": answer.meta.name,
        "model_version": answer.version,
        "parameters": {"latency_us": answer.latency_us},
        "outputs": outputs,
    }
    if "id" in header:
        body["id"] = header["id"]
    if not binary:
        return JSONResponse(body)
    text = json.dumps(body).encode()
    headers = {_HEADER_LENGTH: str(len(text))}
    return Response(text + binary, headers=headers, media_type="application/octet-stream")
