import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from device_agent.runner.quantize import canonical, dequantize, quantize
from tests.oracle.arithmetic import to_int8

FLOATS = st.lists(st.floats(width=32), min_size=1, max_size=32)
SCALES = st.floats(min_value=2.0**-20, max_value=2.0**10, width=32)


def test_the_rule_at_its_edges():
    values = np.array([np.nan, np.inf, -np.inf, 0.25, 0.75, -0.25, 1e30], np.float32)
    assert quantize(values, 0.5, 3, "int8").tolist() == [-128, 127, -128, 3, 5, 3, 127]
    assert quantize(values, 0.5, 3, "uint8").tolist() == [0, 255, 0, 3, 5, 3, 255]


def test_dequantized_codes_quantize_to_themselves():
    codes = np.arange(-128, 128, dtype=np.int8)
    for scale, zero in ((0.0078125, 0), (0.1, -128), (3.7, 55)):
        assert (quantize(dequantize(codes, scale, zero), scale, zero, "int8") == codes).all()


def test_digests_see_one_nan():
    a, b = np.array([0x7FC00001, 0xFFC00000], "<u4").tobytes(), np.array([0x7FC00000] * 2, "<u4").tobytes()
    assert canonical(a, "float32") == canonical(b, "float32") == b
    assert canonical(a, "int8") == a


@given(FLOATS, SCALES, st.integers(-128, 127))
def test_it_is_the_oracles_rule(values, scale, zero_point):
    x = np.array(values, np.float32)
    with np.errstate(all="ignore"):
        expected = to_int8(x / np.float32(scale), zero_point)
    assert (quantize(x, scale, zero_point, "int8") == expected).all()
