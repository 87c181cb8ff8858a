"""Inference over MQTT: a CBOR map in on `infer/in`, its answer out on `infer/out`."""

from collections.abc import Mapping
from typing import Any

from device_agent.inference_api import tensors
from device_agent.serving import InferenceError, Service
from protocol import cbor
from protocol.errors import RefusedError


async def answer(services: Mapping[str, Service], payload: bytes) -> bytes | None:
    """Answer one request.

    Args:
        services: Served models by name.
        payload: `{id, model, ?reset, inputs: {name: {dtype, shape, data}}}`.

    Returns:
        `{id, model, version, latency_us, outputs}` or `{id, error: {code, text, ?layer}}`; None when
        the request has no id that an answer could carry.
    """
    try:
        request = cbor.decode(payload)
    except RefusedError:
        return None
    identity = request.get("id") if isinstance(request, dict) else None
    if not isinstance(identity, str | int | bytes):
        return None
    try:
        return cbor.encode({"id": identity, **await _infer(services, request)})
    except InferenceError as error:
        problem: dict[str, Any] = {"code": error.code, "text": error.what}
        if error.layer is not None:
            problem["layer"] = error.layer
        return cbor.encode({"id": identity, "error": problem})


async def _infer(services: Mapping[str, Service], request: dict[str, Any]) -> dict[str, Any]:
    model, given = request.get("model"), request.get("inputs")
    service = services.get(model) if isinstance(model, str) else None
    if service is None or service.active is None:
        raise InferenceError("unknown-model", f"model {model} is not running on this device")
    if not isinstance(given, dict):
        raise InferenceError("input", "inputs must be a map")
    inputs = {}
    for tensor in service.active.meta.inputs:
        item = given.get(tensor.name)
        if not isinstance(item, dict) or not isinstance(item.get("data"), bytes):
            raise InferenceError("input", f"input {tensor.name} is missing or has no bytes")
        tensors.check_input(tensor, item.get("dtype"), item.get("shape"))
        inputs[tensor.name] = tensors.check_size(tensor, item["data"])
    result = await service.infer(inputs, reset=request.get("reset") is True)
    outputs = {
        tensor.name: {
            "dtype": tensors.visible_dtype(tensor),
            "shape": list(result.outputs[tensor.name].shape),
            "data": result.outputs[tensor.name].data,
        }
        for tensor in result.meta.outputs
    }
    return {"model": model, "version": result.version, "latency_us": result.latency_us, "outputs": outputs}
