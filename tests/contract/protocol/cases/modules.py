"""Wasm files that `protocol.module.check` takes or refuses."""

from collections.abc import Callable

from protocol import cbor
from protocol.module import ABI, LayerMeta, ModuleMeta, Region, TensorMeta, WeightMeta
from tests.contract.protocol.cases.form import CBOR, MESSAGE, MODULE, Case, accept, case

_MAGIC = b"\0asm\1\0\0\0"
_I32 = b"\x7f"

Sections = dict[int, bytes]


def leb(value: int) -> bytes:
    """Unsigned LEB128."""
    more = value >> 7
    return bytes([value & 0x7F | 0x80]) + leb(more) if more else bytes([value])


def section(kind: int, contents: bytes) -> bytes:
    return bytes([kind]) + leb(len(contents)) + contents


def custom(name: str, contents: bytes) -> bytes:
    return section(0, leb(len(name)) + name.encode() + contents)


def vector(*entries: bytes) -> bytes:
    return leb(len(entries)) + b"".join(entries)


def function_type(parameters: int, results: int) -> bytes:
    return b"\x60" + vector(*[_I32] * parameters) + vector(*[_I32] * results)


def export(name: str, kind: int, number: int) -> bytes:
    return leb(len(name)) + name.encode() + bytes([kind]) + leb(number)


EXPORTS = {
    "memory": (2, 0), "fleet_abi": (0, 0), "input": (0, 1), "output": (0, 2), "run": (0, 3), "layers": (0, 4),
    "run_layer": (0, 5), "fleet_layer": (3, 1),
}  # fmt: skip


def sound() -> Sections:
    """The sections of a small module that does nothing, by id."""
    body = b"\x04\x00\x41\x00\x0b"
    return {
        1: vector(function_type(0, 1), function_type(1, 1), function_type(0, 0)),
        3: vector(b"\0", b"\1", b"\1", b"\0", b"\0", b"\1", b"\2"),
        4: vector(b"\x70\x01\x01\x01"),
        5: vector(b"\x01\x01\x01"),
        6: vector(b"\x7f\x01\x41\x80\x80\x04\x0b", b"\x7f\x01\x41\x7f\x0b"),
        7: vector(*(export(name, *place) for name, place in EXPORTS.items())),
        10: vector(*[body] * 6, b"\x02\x00\x0b"),
    }


def meta(**change: object) -> ModuleMeta:
    tensor = TensorMeta(name="x", dtype="int8", shape=(1, 8), scale=0.5, zero_point=0)
    layer = LayerMeta(
        name="/a",
        op="Add",
        detail="Add 8",
        dtype="int8",
        shape=(1, 8),
        macs=8,
        weight_bytes=0,
        offset=64,
    )
    values: dict[str, object] = {
        "name": "crop-model",
        "version": "1.0.0",
        "target": "mvp",
        "abi": ABI,
        "inputs": (tensor,),
        "outputs": (tensor,),
        "layers": (layer,),
        "arena": Region(offset=0, size=128),
        "arena_bound": 128,
        "memory": 65536,
    }
    return ModuleMeta(**values | change)


def module(sections: Sections | None = None, *, tail: bytes | None = None, **change: object) -> bytes:
    """A file of these sections, in the order of the specification, and of metadata."""
    order = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
    parts = sound() if sections is None else sections
    body = b"".join(section(kind, parts[kind]) for kind in order if kind in parts)
    return _MAGIC + body + (custom("fleet.meta", meta(**change).encode()) if tail is None else tail)


def _with(kind: int, contents: bytes, **change: object) -> bytes:
    return module(sound() | {kind: contents}, **change)


def _exports(change: dict[str, tuple[int, int]], without: str = "", **meta: object) -> bytes:
    entries = {name: place for name, place in (EXPORTS | change).items() if name != without}
    return _with(7, vector(*(export(name, *place) for name, place in entries.items())), **meta)


def cases() -> list[Case]:
    good = module()
    packed = custom("fleet.meta", meta().encode())
    state = {"state": Region(offset=256, size=64)}
    tensor, layer = meta().inputs[0], meta().layers[0]

    def check(name: str, wasm: bytes, expect: Case = MODULE) -> Case:
        return case(name, "check_wasm", expect, document=wasm)

    reading = layer.model_copy(
        update={
            "reads": (0, -1),
            "scratch": Region(offset=72, size=16),
            "weights": WeightMeta(offset=1024, size=64, dtype="int8"),
            "order": (1, 0),
        }
    )

    def changed(**change: object) -> bytes:
        return module(layers=(layer.model_copy(update=change),))

    def tensors(name: str, **change: object) -> Case:
        return check(name, module(inputs=(tensor.model_copy(update=change),)))

    def wire(change: Callable[[dict[int | str, object]], object]) -> bytes:
        document = meta().to_wire()
        change(document)
        return module(tail=custom("fleet.meta", cbor.encode(document)))

    def without(key: int) -> dict[int | str, object]:
        return {name: value for name, value in layer.to_wire().items() if name != key}

    env = b"\x03env\x01f"
    return [
        check("a module", good, accept()),
        check("with names", module(tail=custom("name", b"\0" * 100) + packed), accept()),
        check("with state", _exports({"reset": (0, 6)}, **state), accept()),
        *(
            check(f"a data count, {name}", _with(12, b"\0", target=name), accept())
            for name in ("simd", "relaxed")
        ),
        check("functions of the host, mcu", _mcu(_conv()), accept()),
        check("no functions of the host, mcu", _mcu(b"\0"), accept()),
        check(
            "a length in five bytes",
            _MAGIC + b"\1" + _long(section(1, sound()[1])[1:]) + good[8:][2 + len(sound()[1]) :],
            accept(),
        ),
        check("nothing", b""),
        check("another magic", b"\x7fELF" + good[4:]),
        check("a component", good[:4] + b"\x0d\0\1\0" + good[8:]),
        check("cut in the middle", good[: len(good) // 2]),
        check("a byte more", good + b"\0"),
        check("a section longer than the file", good + b"\0\xff\xff\xff\xff\x0f"),
        check("a length of more than 32 bits", good + b"\0\xff\xff\xff\xff\x1f"),
        check("a length of six bytes", good + b"\0\x80\x80\x80\x80\x80\0"),
        check("a custom section without a name", good + b"\0\0"),
        check("a name longer than its section", good + b"\0\2\5a"),
        check("a name that is not UTF-8", good + b"\0\2\1\xff"),
        check("an unknown section", good + b"\x0e\0"),
        check("two type sections", _MAGIC + section(1, sound()[1]) + good[8:]),
        check("a code section before the exports", _MAGIC + section(10, sound()[10]) + good[8:]),
        check("a thousand sections", good + custom("x", b"") * 1000),
        check("two fleet.meta sections", good + packed),
        check("two name sections", module(tail=custom("name", b"") * 2 + packed)),
        check("no fleet.meta section", module(tail=b"")),
        check("an export section of 2^32 - 1 entries", _with(7, b"\xff\xff\xff\xff\x0f")),
        check("an export section with a rest", _with(7, sound()[7] + b"\0")),
        check("a start section", _with(8, b"\6")),
        check("an element section", _with(9, b"\0")),
        check("a tag section", _with(13, b"\0")),
        check("a data count, mvp", _with(12, b"\0")),
        check("a table of ten million", _with(4, vector(b"\x70\x01\x80\xad\xe2\x04\x80\xad\xe2\x04"))),
        check("a table that grows", _with(4, vector(b"\x70\x00\x00"))),
        check("two tables", _with(4, vector(b"\x70\x01\x01\x01", b"\x70\x01\x01\x01"))),
        check("a table of external references", _with(4, vector(b"\x6f\x01\x01\x01"))),
        check("an import, mvp", module(_imported())),
        check("an import of another module, mcu", _mcu(_conv(module="env"))),
        check("an import that no host has, mcu", _mcu(_conv(name="system"))),
        check("an import of another type, mcu", _mcu(_conv(kind=0))),
        check("an import of a type that there is not, mcu", _mcu(_conv(kind=99))),
        check("an import twice, mcu", _mcu(b"\2" + 2 * _conv()[1:])),
        check("without the end of its memory, mcu", _mcu(_conv(), without="__heap_base")),
        check("without the end of its data, mcu", _mcu(_conv(), without="__data_end")),
        check("an end of its memory that changes, mcu", _mcu(_conv(), end=b"\x7f\1\x41\x80\x08\x0b")),
        check("less memory than its end says, mcu", _mcu(_conv(), memory=1023)),
        check(
            "an end beyond its memory, mcu", _mcu(_conv(), end=b"\x7f\0\x41\x81\x80\x04\x0b", memory=65537)
        ),
        check("an imported memory", _with(2, vector(env + b"\2\0\1"), target="mcu")),
        check("an imported global", _with(2, vector(env + b"\3\x7f\0"), target="mcu")),
        check("no memory", module({k: v for k, v in sound().items() if k != 5})),
        check("two memories", _with(5, vector(b"\1\1\1", b"\1\1\1"))),
        check("a shared memory", _with(5, vector(b"\3\1\1"))),
        check("a 64-bit memory", _with(5, vector(b"\5\1\1"))),
        check("a memory that grows", _with(5, vector(b"\0\1"))),
        check("a memory that grows to two pages", _with(5, vector(b"\1\1\2"))),
        check("more memory than the metadata say", _with(5, vector(b"\1\2\2"))),
        check(
            "a memory of 2^32 - 1 pages",
            _with(5, vector(b"\1" + b"\xff\xff\xff\xff\x0f" * 2), memory=0xFFFFFFFF * 65536),
        ),
        *(check(f"without {name}", _exports({}, name)) for name in EXPORTS),
        check("state without reset", module(**state)),
        check("reset of another type", _exports({"reset": (0, 0)}, **state)),
        check("run is a global", _exports({"run": (3, 0)})),
        check("run takes a parameter", _exports({"run": (0, 1)})),
        check("run is not there", _exports({"run": (0, 99)})),
        check("memory is a function", _exports({"memory": (0, 0)})),
        check("memory is the second", _exports({"memory": (2, 1)})),
        check("fleet_layer is a function", _exports({"fleet_layer": (0, 0)})),
        check("fleet_layer is constant", _with(6, vector(b"\x7f\0\x41\0\x0b", b"\x7f\0\x41\x7f\x0b"))),
        check("fleet_layer is an i64", _with(6, vector(b"\x7f\1\x41\0\x0b", b"\x7e\1\x42\x7f\x0b"))),
        check("a global that is a reference", _with(6, vector(b"\x70\0\xd0\x70\x0b"))),
        check(
            "run exported twice",
            _with(7, vector(*(export(n, *p) for n, p in EXPORTS.items()), export("run", 0, 3))),
        ),
        check("a function that takes a reference", _with(1, vector(b"\x60\1\x6f\0"))),
        check("a structure type", _with(1, vector(b"\x5f\0"))),
        check("another major ABI", module(abi=2 << 16)),
        check("arena outside the memory", module(arena=Region(offset=65535, size=2))),
        check("layer outside the memory", module(layers=(layer.model_copy(update={"offset": 65536}),))),
        check("state inside the arena", _exports({"reset": (0, 6)}, state=Region(offset=127, size=1))),
        check("a layer larger than the memory", changed(shape=(1 << 62, 1 << 62))),
        check("a layer and what it reads", module(layers=(layer, reading)), accept()),
        check("scratch outside the memory", changed(scratch=Region(offset=65530, size=64))),
        check("weights outside the memory", changed(weights=WeightMeta(offset=0, size=65537, dtype="int8"))),
        check("weights of unknown type", changed(weights=WeightMeta(offset=0, size=8, dtype="int4"))),
        check("an order of more dimensions", changed(order=(0, 1, 2))),
        check("an order with a dimension twice", changed(order=(1, 1))),
        check("a layer that reads an input that is not there", changed(reads=(-2,))),
        check("a layer that reads a layer that is not there", changed(reads=(1,))),
        check("a layer of unknown type", module(layers=(layer.model_copy(update={"dtype": "int4"}),))),
        check("two inputs of one name", module(inputs=(tensor, tensor))),
        tensors("an input of unknown type", dtype="bfloat16"),
        tensors("an input larger than the memory", shape=(1 << 62, 1 << 62)),
        tensors("a scale without zero point", zero_point=None),
        tensors("a scale of zero", scale=0.0),
        check("a layer like the one before", module(layers=(layer, layer)), accept()),
        check(
            "a layer like the one before, written out",
            wire(lambda d: d.update({7: [layer.to_wire(), layer.to_wire()]})),
            accept(),
        ),
        *(
            check(
                f"a first layer without its {what}",
                wire(lambda d, key=key: d.update({7: [without(key), layer.to_wire()]})),
                MESSAGE,
            )
            for what, key in (("operator", 2), ("type", 4), ("shape", 5))
        ),
        check("metadata that are not CBOR", module(tail=custom("fleet.meta", b"\xff")), CBOR),
        check("metadata that are a list", module(tail=custom("fleet.meta", b"\x80")), MESSAGE),
        check(
            "a control character in a layer's name",
            wire(lambda d: d.update({7: [layer.to_wire() | {1: "\x1b[2J"}]})),
            MESSAGE,
        ),
        check(
            "a shape of 33 dimensions",
            wire(lambda d: d.update({5: [tensor.to_wire() | {3: [1] * 33}]})),
            MESSAGE,
        ),
        check(
            "a scale that is an integer", wire(lambda d: d.update({5: [tensor.to_wire() | {4: 1}]})), MESSAGE
        ),
        check(
            "a scale that is infinite",
            wire(lambda d: d.update({5: [tensor.to_wire() | {4: float("inf")}]})),
            MESSAGE,
        ),
    ]


def _imported(count: int = 1, entries: bytes | None = None) -> Sections:
    """A module whose first functions are the host's, so that all others move behind them."""
    moved = {name: (kind, number + count * (kind == 0)) for name, (kind, number) in EXPORTS.items()}
    given = vector(b"\x03env\x01f\0\2") if entries is None else entries
    return sound() | {2: given, 7: vector(*(export(name, *place) for name, place in moved.items()))}


def _conv(module: str = "fleet", name: str = "fleet_conv_s8", kind: int = 3) -> bytes:
    """An import section with one entry; type 3 is that of a convolution."""
    names = b"".join(leb(len(text)) + text.encode() for text in (module, name))
    return vector(names + b"\0" + leb(kind))


def _mcu(
    imports: bytes, *, without: str = "", end: bytes = b"\x7f\0\x41\x80\x08\x0b", memory: int = 1024
) -> bytes:
    """A module for a board, whose linear memory ends at 1024."""
    parts = _imported(imports[0], imports)
    parts[1] = vector(*(function_type(0, 1), function_type(1, 1), function_type(0, 0)), function_type(7, 0))
    parts[6] = vector(b"\x7f\x01\x41\x80\x02\x0b", b"\x7f\x01\x41\x7f\x0b", end, b"\x7f\0\x41\x80\x02\x0b")
    places = {name: (kind, number + imports[0] * (kind == 0)) for name, (kind, number) in EXPORTS.items()}
    places |= {"__heap_base": (3, 2), "__data_end": (3, 3)}
    parts[7] = vector(*(export(name, *place) for name, place in places.items() if name != without))
    return module(parts, target="mcu", memory=memory)


def _long(sized: bytes) -> bytes:
    """A section's contents behind a length of five bytes instead of one."""
    return bytes([sized[0] | 0x80, 0x80, 0x80, 0x80, 0]) + sized[1:]
