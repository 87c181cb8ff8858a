"""Small real modules of the module ABI: an int8 input of four, doubled, and a table that may be large."""

import hashlib
from types import SimpleNamespace

import wasmtime

from protocol.module import ABI, LayerMeta, ModuleMeta, Region, TensorMeta

WAT = """(module
  (memory (export "memory") 2 2)
  (global $layer (export "fleet_layer") (mut i32) (i32.const -1))
  (func (export "fleet_abi") (result i32) (i32.const {abi}))
  (func (export "input") (param i32) (result i32) (i32.const 1024))
  (func (export "output") (param i32) (result i32) (i32.const 1040))
  (func (export "layers") (result i32) (i32.const 1))
  (func $layer0 (result i32)
    (global.set $layer (i32.const 0))
    (i32.store (i32.const 1040) (i32.add (i32.load (i32.const 1024)) (i32.const {add}))) (i32.const 0))
  (func (export "run") (result i32) (call $layer0))
  (func (export "run_layer") (param i32) (result i32) (call $layer0))
  (data (i32.const 2048) "{table}"))"""


def meta(target="simd", name="toy", version="1.0.0", **more):
    image = TensorMeta(name="image", dtype="int8", shape=(1, 4), scale=0.5, zero_point=3)
    fields = {
        "name": name, "version": version, "target": target, "abi": ABI, "inputs": (image,),
        "outputs": (image.model_copy(update={"name": "class"}),),
        "layers": (LayerMeta(name="/add", op="Add", detail="Add 4", dtype="int8", shape=(1, 4), macs=4,
                             weight_bytes=len(table()), offset=1040),),
        "arena": Region(offset=1024, size=32), "arena_bound": 20, "memory": 131072,
        "provenance": {"onnx": "77ab"},
    }  # fmt: skip
    return ModuleMeta(**(fields | more))


def table(seed=0, size=50_000):
    """Bytes that no two chunks share."""
    return b"".join(hashlib.sha256(bytes([seed, i & 255, i >> 8])).digest() for i in range(size // 32))


def wasm(target="simd", add=1, seed=0, **more):
    """A module file with its metadata section."""
    escaped = "".join(f"\\{byte:02x}" for byte in table(seed))
    code = bytes(wasmtime.wat2wasm(WAT.format(abi=ABI, add=add, table=escaped)))
    return with_section(code, "fleet.meta", meta(target, **more).encode())


def with_section(code, name, contents):
    body = leb(len(name)) + name.encode() + contents
    return code + b"\0" + leb(len(body)) + body


def leb(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def build(adds=None, seed=0, **more):
    """What the compiler would give for the toy."""
    modules = {}
    for target, add in (adds or {"simd": 1, "mvp": 1}).items():
        file = wasm(target, add, seed)
        start = file.index(table(seed)[:32])
        modules[target] = SimpleNamespace(
            target=target, wasm=file, meta=meta(target), cuts=(start, start + 20_000, start + len(table()))
        )
    fields = {
        "name": "toy", "version": "1.0.0", "modules": modules, "graph": b"\xa0",
        "provenance": {"onnx": "77ab", "compiler": "c0de", "revision": "3f1c"},
        "accuracy": None, "layers_int8": ("/conv",), "layers_float": {},
        "project": SimpleNamespace(
            classes=["linux"], limits=SimpleNamespace(deadline_ms=1000), onnx="toy.onnx", source=None,
            confidential=False,
        ),
    }  # fmt: skip
    return SimpleNamespace(**(fields | more))
