import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import module, wasm
from protocol.cbor import CborError
from protocol.message import MessageError
from protocol.module import ModuleError
from tests.contract.protocol.cases.modules import custom, leb, meta, section, sound
from tests.contract.protocol.cases.modules import module as build

_GOOD = build()
_MAGIC = _GOOD[:8]


def test_a_sound_module():
    checked = module.check(_GOOD)
    assert checked == meta()
    assert module.exports(_GOOD)["memory"] == 2
    assert module.memory_pages(_GOOD) == (1, 1)
    assert module.read_meta(_GOOD) == meta()


@given(st.data())
def test_changed_bytes_give_an_error_of_ours(data):
    changed = bytearray(_GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    _take_or_refuse(bytes(changed))


@given(st.integers(0, len(_GOOD)), st.binary(max_size=20))
def test_cut_and_lengthened_files_give_an_error_of_ours(length, rest):
    _take_or_refuse(_GOOD[:length] + rest)


@given(st.lists(st.tuples(st.integers(0, 15), st.binary(max_size=12)), max_size=8))
def test_random_sections_give_an_error_of_ours(found):
    _take_or_refuse(_MAGIC + b"".join(section(kind, contents) for kind, contents in found))


def _take_or_refuse(data):
    for read in (module.check, module.read_meta, module.exports, module.memory_pages, wasm.outline):
        try:
            read(data)
        except (ModuleError, CborError, MessageError):
            continue


@pytest.mark.parametrize(
    "data",
    [
        _MAGIC + custom("name", bytes(10 << 20)) + _GOOD[8:],
        _MAGIC + b"\0" + leb(10 << 20) + leb((10 << 20) - 4) + b"a" * ((10 << 20) - 4) + _GOOD[8:],
        _MAGIC + custom("x", b"") * 2_500_000,
        _MAGIC + section(7, leb(3_000_000) + b"\1a\0\0" * 3_000_000),
        _MAGIC + section(3, leb(10_000_000) + bytes(10_000_000)),
        _MAGIC + section(1, leb(1) + b"\x60" + leb(10_000_000) + b"\x7f" * 10_000_000 + b"\0"),
        build(tail=custom("fleet.meta", b"\x9a\x00\x03\xff\xff" + b"\xa0" * 0x3FFFF)),
        build(tail=custom("fleet.meta", bytes(10 << 20))),
        _GOOD[:-1] + b"\xff" * (10 << 20),
    ],
    ids=["name", "long name", "sections", "exports", "functions", "type", "meta", "large meta", "tail"],
)
@pytest.mark.usefixtures("undisturbed")
def test_ten_hostile_megabytes_take_less_than_half_a_second(data):
    before = time.process_time()
    with pytest.raises((ModuleError, CborError, MessageError)):
        module.check(data)
    assert time.process_time() - before < 0.5


def test_a_module_of_ten_megabytes_is_checked_in_milliseconds():
    data = build(sound() | {11: leb(1) + b"\0\x41\0\x0b" + leb(10 << 20) + bytes(10 << 20)})
    before = time.process_time()
    module.check(data)
    assert time.process_time() - before < 0.1


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16383, 16384, 2**32 - 1])
def test_leb128(value):
    assert wasm._Reader(leb(value), 0, 9).u32() == value
    padded = leb(value)
    if len(padded) < 5:
        padded = padded[:-1] + bytes([padded[-1] | 0x80]) + b"\x80" * (4 - len(padded)) + b"\0"
    assert wasm._Reader(padded, 0, 5).u32() == value


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80" * 5, b"\xff\xff\xff\xff\x10", b"\x80\x80\x80\x80\x80\x00"]
)
def test_leb128_too_long_or_too_short(data):
    with pytest.raises(ModuleError):
        wasm._Reader(data, 0, len(data)).u32()


def test_layers_are_named_in_words():
    assert meta().describe_layer(0) == "add_0 (/a, Add 8) -> 1x8"
    layer = meta().layers[0]
    reading = meta(layers=(layer, layer.model_copy(update={"reads": (0, -1), "shape": ()})))
    assert reading.describe_layer(1) == "add_1 (/a, Add 8) 1x8 and 1x8 -> scalar"
    many = meta(layers=(layer.model_copy(update={"reads": (-1,) * 200}),))
    assert many.describe_layer(0) == "add_0 (/a, Add 8) 1x8 and 1x8 and 1x8 and 197 more -> 1x8"
    assert meta().describe_layer(1) == "layer 1"
    assert meta().describe_layer(-1) == "layer -1"


def test_the_error_says_what_the_file_is():
    with pytest.raises(ModuleError, match="7f 45 4c 46"):
        module.check(b"\x7fELF....")
    with pytest.raises(ModuleError, match="nothing"):
        module.check(b"")
