"""The cheap call into wasmtime does what the ordinary one does."""

import pytest
import wasmtime

from device_agent.runner import calls

TEXT = """(module
  (global $count (mut i32) (i32.const 40))
  (func (export "next") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count))
  (func (export "low") (result i32) (i32.const -5))
  (func (export "trap") (result i32) (unreachable)))"""


@pytest.fixture(params=["cheap", "ordinary"])
def prepare(request, monkeypatch):
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, TEXT), []).exports(store)
    assert calls._call_unchecked is not None, "this wasmtime has no unchecked call"
    if request.param == "ordinary":
        monkeypatch.setattr(calls, "_call_unchecked", None)
    return lambda name: calls.prepared(store, exports[name])


def test_results(prepare):
    following, low = prepare("next"), prepare("low")
    assert [following() for _ in range(3)] == [41, 42, 43]
    assert low() == -5


def test_trap(prepare):
    with pytest.raises(wasmtime.Trap) as caught:
        prepare("trap")()
    assert caught.value.trap_code == wasmtime.TrapCode.UNREACHABLE
