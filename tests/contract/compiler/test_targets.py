"""What a target promises about its file."""

import pytest
import wasmtime

from controller.compiler import Instance, ModelProject, build
from protocol.module import ABI, PAGE, check, exports, memory_pages, sections
from protocol.wasm import outline
from tests.contract.compiler.conftest import sample_inputs
from tests.contract.compiler.opcodes import UnknownOpcode, instructions
from tests.support import onnx_models as models

RECIPES = ["mobile_block", "squeeze_excite", "concat", "softmax", "pad_alone", "div_broadcast"]


def _strict_engine() -> wasmtime.Engine:
    """As little beyond WebAssembly 1.0 as wasmtime can be told; reference types cannot be switched off."""
    config = wasmtime.Config()
    for proposal in (
        "relaxed_simd",
        "simd",
        "bulk_memory",
        "multi_value",
        "tail_call",
        "threads",
        "memory64",
    ):
        setattr(config, f"wasm_{proposal}", False)
    return wasmtime.Engine(config)


@pytest.mark.parametrize("int8", [True, False])
@pytest.mark.parametrize("name", RECIPES)
def test_mvp_has_no_later_opcode(name, int8, compile_model):
    wasm = compile_model(models.build(name), int8=int8, targets=["mvp"]).modules["mvp"].wasm
    assert sum(1 for _ in instructions(wasm)) > 50
    wasmtime.Module(_strict_engine(), wasm)


def test_the_decoder_sees_later_opcodes(compile_model):
    wasm = compile_model(models.build("mobile_block"), targets=["simd"]).modules["simd"].wasm
    with pytest.raises(UnknownOpcode):
        list(instructions(wasm))
    with pytest.raises(wasmtime.WasmtimeError):
        wasmtime.Module(_strict_engine(), wasm)


def test_file_keeps_the_contract(compile_model):
    made = compile_model(models.build("mobile_block"))
    for target, module in made.modules.items():
        meta = check(module.wasm)
        assert (meta.target, meta.abi, meta.name, meta.version) == (target, ABI, "test-model", "1.0.0")
        assert not outline(module.wasm).imports
        initial, maximum = memory_pages(module.wasm)
        assert initial == maximum == meta.memory // PAGE
        assert {n for n, kind in exports(module.wasm).items() if kind == 3} == {"fleet_layer"}
        assert "reset" not in exports(module.wasm)
        assert [s.name for s in sections(module.wasm) if s.id == 0] == ["name", "fleet.meta"]
        instance = Instance(module.wasm)
        assert instance.layer == -1
        assert instance._call("layers") == len(meta.layers)
        assert instance._call("fleet_abi") == ABI
        assert all(pointer % 16 == 0 for pointer in (*instance._inputs, *instance._outputs))
        assert meta.arena_bound <= meta.arena.size
        assert meta.provenance.keys() == {
            "onnx", "calibration", "quantization", "compiler", "graph", "toolchain",
        }  # fmt: skip


def test_layer_functions_carry_node_names(compile_model):
    made = compile_model(models.build("mobile_block"))
    for module in made.modules.values():
        section = outline(module.wasm).custom("name")
        assert section is not None
        names = module.wasm[section.start : section.end]
        assert all(layer.name.encode() in names for layer in module.meta.layers)


def test_cuts_follow_the_tensors(compile_model):
    made = compile_model(models.build("mobile_block"))
    for module in made.modules.values():
        assert list(module.cuts) == sorted(set(module.cuts))
        assert 0 < module.cuts[0] < module.cuts[-1] < len(module.wasm)
        by_id = {section.id: section for section in sections(module.wasm)}
        assert by_id[10].end <= module.cuts[0], "code comes before all constants"
        assert module.cuts[-1] <= by_id[11].end, "names and metadata come last"
        # code | small constants | five weight tensors | names
        assert len(module.cuts) == 1 + 4 + 1


def test_equal_weights_lie_at_equal_places_when_the_head_changes(make_project):
    first, second = models.build("flatten_gemm"), models.build("flatten_gemm")
    head = second.graph.initializer[1]
    changed = bytearray(head.raw_data)
    changed[0:4] = b"\0\0\x80\x3f"
    head.raw_data = bytes(changed)
    one = build(make_project(first, folder="one")).modules["simd"]
    two = build(make_project(second, folder="two")).modules["simd"]
    body = [(module.cuts[1], module.cuts[2]) for module in (one, two)]
    assert body[0] == body[1]
    assert one.wasm[slice(*body[0])] == two.wasm[slice(*body[1])]
    assert one.wasm[body[0][1] :] != two.wasm[body[1][1] :]


def test_the_same_project_builds_to_the_same_bytes_in_any_folder(make_project, tmp_path, monkeypatch):
    model = models.build("mobile_block")
    one = build(make_project(model, folder="one"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another cache"))
    two = build(make_project(model, folder="a folder with another name"))
    assert {t: m.wasm for t, m in one.modules.items()} == {t: m.wasm for t, m in two.modules.items()}
    assert one.graph == two.graph
    assert one.provenance == two.provenance


def test_consumed_inputs_do_not_reach_outputs(compile_model):
    """An output is valid until the next run: writing the next input must not touch it."""
    for name in ("reshape_to_output", "identity_and_dropout", "relu_alone", "transpose", "two_outputs"):
        for int8 in (True, False):
            model = models.build(name)
            module = compile_model(model, int8=int8, targets=["mvp"]).modules["mvp"]
            instance = Instance(module.wasm)
            samples = sample_inputs(model, 2)
            before = instance.run(instance.quantize({k: v[0] for k, v in samples.items()}))
            instance._write(instance.quantize({k: v[1] for k, v in samples.items()}))
            after = instance._read_outputs()
            assert all(before[key].tobytes() == after[key].tobytes() for key in before)


def test_nonfinite_outputs_are_reported(make_project):
    model = models.build("div_map")
    project: ModelProject = make_project(model, int8=False)
    instance = Instance(build(project, targets=["mvp"]).modules["mvp"].wasm)
    sample = {k: v[0] for k, v in sample_inputs(model, 1).items()}
    assert instance.is_finite(sample)
    for value in (float("nan"), float("inf")):
        poisoned = {k: v.copy() for k, v in sample.items()}
        poisoned["x"][0, 0, 0, 0] = value
        assert not instance.is_finite(poisoned)
