"""Pages that need nothing but themselves: data, style and drawing in one HTML file.

The drawing is done by scripts in `templates/`; a policy in the page forbids every request.
"""

import json
import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from controller.compiler import Instance
from controller.inspection.compare import Comparison
from controller.inspection.flame import frames
from controller.inspection.memory import buffers, rows
from controller.inspection.profile import Profile
from controller.inspection.weights import WeightHistogram
from protocol.module import LayerMeta, ModuleMeta, TensorMeta, sections
from protocol.wasm import CODE


def profile_page(profile: Profile) -> str:
    """Flame graph, roofline and table of a profile."""
    machine = profile.machine
    working_set = profile.meta.arena.size + sum(layer.meta.weight_bytes for layer in profile.layers)
    data = {
        "meta": _head(profile.meta),
        "place": profile.place,
        "run": profile.run,
        "sum": profile.layers_sum,
        "call": profile.call,
        "rounds": profile.rounds,
        "macs": profile.macs,
        "machine": None
        if machine is None
        else {
            "peak": machine.peak,
            "bandwidth": machine.bytes_per_second(working_set),
            "workingSet": working_set,
        },
        "frames": [vars(frame) for frame in frames(profile)],
        "layers": [
            {
                **_layer(layer.meta),
                "seconds": layer.seconds,
                "share": layer.share,
                "bytes": layer.nbytes,
                "limit": layer.limit,
                "bound": layer.bound,
                "kind": layer.meta.weights_dtype,
            }
            for layer in profile.layers
        ],
    }
    return page(f"{profile.meta.name} {profile.meta.version}: profile", "profile.js", data)


def compare_page(done: Comparison) -> str:
    """Every layer's verdict, and where the first difference lies."""
    data = {
        "meta": _head(done.meta),
        "first": done.first,
        "where": None if done.first is None else done.meta.describe_layer(done.first),
        "layers": [
            {
                **_layer(layer.meta),
                "verdict": layer.verdict,
                "nonfinite": layer.nonfinite,
                "difference": layer.difference and finite(vars(layer.difference)),
            }
            for layer in done.layers
        ],
    }
    return page(f"{done.meta.name} {done.meta.version}: compared", "compare.js", data)


def module_page(wasm: bytes, weights: Sequence[WeightHistogram]) -> str:
    """Graph, memory over time and weights of a module.

    Args:
        wasm: Of a target that needs no host kernels.
        weights: From `weights`.

    Raises:
        ModuleError: Not a module.
    """
    instance = Instance(wasm)
    meta = instance.meta
    inputs, outputs = instance.places
    drawn = rows(meta, inputs, outputs)
    data = {
        "meta": _head(meta),
        "file": len(wasm),
        "code": sum(section.end - section.start for section in sections(wasm) if section.id == CODE),
        "weightBytes": sum(layer.weight_bytes for layer in meta.layers),
        "arena": {"offset": meta.arena.offset, "size": meta.arena.size, "bound": meta.arena_bound},
        "state": meta.state.size if meta.state else 0,
        "memory": meta.memory,
        "abi": f"{meta.abi >> 16}.{meta.abi & 0xFFFF}",
        "inputs": [_tensor(tensor) for tensor in meta.inputs],
        "outputs": [_tensor(tensor) for tensor in meta.outputs],
        "layers": [_layer(layer) for layer in meta.layers],
        "rows": [vars(row) for row in drawn],
        "buffers": [vars(buffer) for buffer in buffers(meta, drawn, inputs)],
        "weights": [finite(vars(histogram)) for histogram in weights],
        "provenance": dict(sorted(meta.provenance.items())),
    }
    return page(f"{meta.name} {meta.version}: module", "module.js", data)


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity and no NaN: they become words."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def page(title: str, script: str, data: Any) -> str:
    """A whole page.

    Args:
        title: Of the window.
        script: A file in `templates/`, which draws.
        data: What it draws, as JSON values.
    """
    # Names come from the model: no `<` may end the script that carries them.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "title": escape(title),
        "style": _template("style.css"),
        "common": _template("common.js"),
        "script": _template(script),
        "data": text,
    }
    html = _template("page.html")
    before, *rest = html.split("{{")
    pieces = [before]
    for piece in rest:
        name, _, tail = piece.partition("}}")
        pieces += [parts[name], tail]
    return "".join(pieces)


def _template(name: str) -> str:
    return (files("controller.inspection") / "templates" / name).read_text(encoding="utf-8")


def _head(meta: ModuleMeta) -> dict[str, Any]:
    return {"name": meta.name, "version": meta.version, "target": meta.target}


def _tensor(tensor: TensorMeta) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "scale": tensor.scale,
        "zero": tensor.zero_point,
        "bytes": tensor.nbytes,
    }


def _layer(layer: LayerMeta) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "detail": layer.detail,
        "dtype": layer.dtype,
        "shape": list(layer.shape),
        "macs": layer.macs,
        "weightBytes": layer.weight_bytes,
    }
