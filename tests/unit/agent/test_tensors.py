"""Tensors between JSON, bytes and the types of the Open Inference Protocol."""

import struct

import pytest

from device_agent.inference_api import tensors
from device_agent.serving import InferenceError
from protocol.module import DTYPE_BYTES, TensorMeta


@pytest.mark.parametrize("dtype", sorted(DTYPE_BYTES))
def test_every_type_a_module_may_have_goes_there_and_back(dtype):
    tensor = TensorMeta(name="x", dtype=dtype, shape=(2,))
    described = tensors.describe(tensor)
    tensors.check_input(tensor, described["datatype"], described["shape"])
    data = tensors.from_json(tensor, [0, 1])
    assert tensors.check_size(tensor, data) == data
    assert tensors.to_json(tensor, data) == [0, 1]


def test_bytes_are_little_endian():
    tensor = TensorMeta(name="x", dtype="float16", shape=(1, 2))
    assert tensors.from_json(tensor, [[1.5, -2.0]]) == struct.pack("<ee", 1.5, -2.0)


@pytest.mark.parametrize("value", [70_000, 10**400, "1", None])
def test_what_does_not_fit_is_refused_by_name(value):
    tensor = TensorMeta(name="x", dtype="float16", shape=(1,))
    with pytest.raises(InferenceError, match="input x"):
        tensors.from_json(tensor, [value])
