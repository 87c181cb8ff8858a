"""A real machine and a real model."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import wasmtime

from controller.cli.arrays import read_inputs
from controller.compiler import Instance, ModelProject, build
from controller.inspection.machine import WORKING_SETS, measure_machine, this_machine
from controller.inspection.profile import against, profile_module
from protocol.module import ABI, LayerMeta, ModuleMeta, Region, TensorMeta
from tests.support.real_models import MODULES
from tests.unit.desk.modules import with_section


@pytest.fixture(scope="module")
def crop():
    return build(ModelProject.load(MODULES / "crop-model")).modules


@pytest.mark.parametrize("target", ["simd", "mvp"])
def test_a_machine_is_measured(target):
    machine = measure_machine(target)
    assert machine.name
    assert machine.peak.keys() == {"int8", "float32"}
    assert all(1e7 < rate < 1e12 for rate in machine.peak.values())
    assert machine.bandwidth.keys() == set(WORKING_SETS)
    assert all(1e8 < rate < 1e13 for rate in machine.bandwidth.values())


def test_a_machine_is_measured_once(tmp_path):
    first = this_machine("mvp", tmp_path)
    assert this_machine("mvp", tmp_path) == first
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text())["target"] == "mvp"
    half = replace(first, peak={dtype: rate / 2 for dtype, rate in first.peak.items()})
    file.write_text(json.dumps(asdict(half)))
    again = this_machine("mvp", tmp_path, again=True)
    assert all(again.peak[dtype] >= rate for dtype, rate in half.peak.items())
    assert this_machine("mvp", tmp_path) == again
    file.write_text("{}")
    assert this_machine("mvp", tmp_path).peak.keys() == first.peak.keys()


@pytest.mark.parametrize("target", ["simd", "mvp"])
def test_layers_add_up_to_the_run(target, crop):
    module = crop[target]
    done = profile_module(module.wasm, read_inputs((), module.meta), rounds=40)
    done = against(done, this_machine(target))
    assert len(done.layers) == len(crop[target].meta.layers)
    # The last layers are shorter than the clock's grain; together they are what a run takes.
    assert 0.5 < done.layers_sum / done.run < 2
    heaviest = max(done.layers, key=lambda layer: layer.seconds)
    assert heaviest.meta.op == "Conv"
    # Products with padding count, and the reference kernel leaves them out.
    assert 0.005 < heaviest.efficiency < 5


def test_metadata_tell_who_reads_what(crop):
    meta = crop["simd"].meta
    by_name = {layer.name: index for index, layer in enumerate(meta.layers)}
    add = meta.layers[by_name["/spatial/add"]]
    assert set(add.reads) == {by_name["/spectral/conv"], by_name["/spatial/conv"]}
    assert meta.layers[0].reads == (-1,)
    conv = meta.layers[by_name["/spatial/conv"]]
    assert conv.weights_dtype == "int8"
    assert conv.weights.size >= 32 * 32 * 9


COUNTING = """(module
  (memory (export "memory") 1 1)
  (global (export "fleet_layer") (mut i32) (i32.const -1))
  (func (export "fleet_abi") (result i32) (i32.const {abi}))
  (func (export "input") (param i32) (result i32) (i32.const 0))
  (func (export "output") (param i32) (result i32) (i32.const 16))
  (func (export "layers") (result i32) (i32.const 1))
  (func $count (result i32)
    (i32.store (i32.const 32) (i32.add (i32.load (i32.const 32)) (i32.const 1))) (i32.const 0))
  (func (export "run") (result i32) (call $count))
  (func (export "run_layer") (param i32) (result i32) (call $count))
  (func (export "reset") (i32.store (i32.const 32) (i32.const 0))))"""


def test_each_round_begins_from_reset_state():
    tensor = TensorMeta(name="x", dtype="int8", shape=(4,))
    layer = LayerMeta(name="/count", op="Add", detail="Add", dtype="int8", shape=(4,), macs=0, weight_bytes=0,
                      offset=16)  # fmt: skip
    meta = ModuleMeta(
        name="counting", version="1.0.0", target="mvp", abi=ABI, inputs=(tensor,), outputs=(tensor,),
        layers=(layer,), arena=Region(offset=0, size=32), arena_bound=32, memory=65536,
        state=Region(offset=32, size=4),
    )  # fmt: skip
    wasm = with_section(bytes(wasmtime.wat2wasm(COUNTING.format(abi=ABI))), "fleet.meta", meta.encode())
    instance = Instance(wasm)
    driver = instance.driven({"x": np.zeros(4, np.int8)})
    for _ in range(2):
        driver.prepare()
        driver.layer(0, 3)
        driver.whole(2)
        assert instance.read(32, 4) == (5).to_bytes(4, "little")
