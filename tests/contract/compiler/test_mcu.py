"""Target mcu: kernels are the host's, and answers the oracle's."""

import ctypes
import random
import sys
from dataclasses import replace

import numpy as np
import pytest

from controller.compiler import Instance, compile_model
from controller.compiler.emit.host import kernels
from controller.compiler.emit.toolchain import host_library
from controller.compiler.host_kernels import weights_of
from controller.compiler.trap import LayerTrap
from protocol.module import HOST_FUNCTIONS, check
from protocol.wasm import outline
from tests import oracle
from tests.engines import cases
from tests.support import onnx_models


def answers_right(recipe):
    case = recipe.make(3)
    job = case.jobs["mcu"]
    instance = Instance(job.wasm)
    inputs = instance.meta.inputs
    for step, (status, outputs) in zip(job.steps, case.expected, strict=True):
        if step.reset:
            instance.reset()
        given = {
            tensor.name: np.frombuffer(raw, tensor.dtype).reshape(tensor.shape)
            for tensor, raw in zip(inputs, step.inputs, strict=True)
        }
        found = instance.run(given)
        for name, value in zip(case.names, outputs, strict=True):
            assert found[name].shape == value.shape
            assert oracle.same_class(found[name], value), (recipe.name, name)
        if not inputs or not instance.meta.state:
            assert instance.is_finite(given) == (status == 0)


def for_boards(recipes):
    return [
        pytest.param(replace(recipe, targets=("mcu", "mvp")), id=recipe.name)
        for recipe in recipes
        if "7-bit" not in recipe.name
    ]


@pytest.mark.parametrize("recipe", for_boards(cases.operators()))
def test_operators_of_the_networks(recipe):
    answers_right(recipe)


@pytest.mark.parametrize(
    "recipe", for_boards([*cases.general_operators(), *cases.recurrent(), *cases.with_state()])
)
def test_operators_that_modules_carry(recipe):
    answers_right(recipe)


@pytest.mark.parametrize("recipe", for_boards(cases.random_graphs(1000, 8)))
def test_random_graphs(recipe):
    answers_right(recipe)


def test_the_kernels_are_the_same_in_all_places():
    assert kernels() == HOST_FUNCTIONS


def test_weights_take_no_memory():
    model = onnx_models.build("mobile_block")
    board, other = (compile_model(model, target=target) for target in ("mcu", "mvp"))
    assert check(board.wasm).memory < 2 * board.meta.arena.size + 4096 < check(other.wasm).memory
    section = outline(board.wasm).custom("fleet.weights")
    assert section is not None
    weights = weights_of(board.wasm)
    assert len(weights) > 1000
    assert board.wasm.find(weights) % 16 == 0


NEAR = [0, 1, 2, 3, 4, 5, 8, 16, 64, 255, 1024, 4096, 2**30, 2**31 - 1, 2**31, 2**32 - 1, -1, -128, 127]


class TestArguments:
    """What a hostile module may pass."""

    MEMORY, WEIGHTS = 4096, 2048

    @pytest.fixture(scope="class")
    @classmethod
    def call(cls):
        class Module(ctypes.Structure):
            _fields_ = (
                ("memory", ctypes.c_void_p), ("weights", ctypes.c_void_p),
                ("memory_size", ctypes.c_uint32), ("weights_size", ctypes.c_uint32),
            )  # fmt: skip

        library = ctypes.CDLL(str(host_library()))
        guard = 1 << 16
        memory, weights = (
            ctypes.create_string_buffer(size + 2 * guard + 16) for size in (cls.MEMORY, cls.WEIGHTS)
        )

        def run(number, arguments, params):
            at, constants = (
                -(-(ctypes.addressof(buffer) + guard) // 16) * 16 for buffer in (memory, weights)
            )
            ctypes.memset(memory, 0xA5, len(memory))
            ctypes.memmove(constants, params, len(params))
            module = Module(at, constants, cls.MEMORY, cls.WEIGHTS)
            given = (ctypes.c_uint32 * 7)(*arguments)
            status = library.fleet_host_call(ctypes.byref(module), number, given)
            inner = at - ctypes.addressof(memory)
            outside = memory.raw[:inner] + memory.raw[inner + cls.MEMORY :]
            assert outside == b"\xa5" * len(outside), "a kernel wrote outside the module's memory"
            return status

        return run

    @pytest.mark.parametrize("number", range(len(HOST_FUNCTIONS)))
    def test_random_numbers_are_refused_or_stay_inside(self, call, number):
        seed = random.SystemRandom().getrandbits(32)
        sys.stdout.write(f"seed {seed}\n")
        draw = random.Random(seed)  # noqa: S311 - no secret
        statuses = []
        for _ in range(3000):
            fields = [draw.choice(NEAR) if draw.random() < 0.2 else draw.randint(1, 4) for _ in range(40)]
            params = b"".join((field & 0xFFFFFFFF).to_bytes(4, "little") for field in fields)
            places = [(draw.choice(NEAR) & 0xFFFFFFFF, draw.randrange(0, self.MEMORY, 4)) for _ in range(6)]
            arguments = [0, *map(draw.choice, places)]
            statuses.append(call(number, arguments, params))
        assert any(statuses)
        assert set(statuses) <= {0, 1, 2}

    def test_a_wrong_argument_traps_and_names_the_layer(self):
        wasm = compile_model(onnx_models.build("mobile_block"), target="mcu").wasm
        start = wasm.find(weights_of(wasm))
        broken = wasm[:start] + b"\xff" * 64 + wasm[start + 64 :]
        instance = Instance(broken)
        given = {t.name: np.zeros(t.shape, t.dtype) for t in instance.meta.inputs}
        with pytest.raises(LayerTrap, match=r"transpose_0 .* was called wrongly: its parameters"):
            instance.run(given)
