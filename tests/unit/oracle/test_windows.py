"""Window geometry against the plain definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.document import Node
from tests.oracle.windows import Windows

small = st.integers(1, 4)


# size, kernel, stride, dilation, pads before and after
axes = st.tuples(st.integers(1, 9), small, small, small, st.integers(0, 4), st.integers(0, 4))


@given(axes)
def test_an_axis_meets_exactly_the_elements_inside_the_input(axis):
    size, kernel, stride, dilation, before, after = axis
    reach = (kernel - 1) * dilation + 1
    out = (size + before + after - reach) // stride + 1
    if out < 1:
        return
    attrs = {"kernel_shape": [kernel], "strides": [stride], "pads": [before, after], "dilations": [dilation]}
    windows = Windows.of(Node("n", "Conv", (), (), attrs), (size,), (out,))
    met = []
    for at in windows:
        outputs, inputs = np.arange(out)[at.outputs[1]], np.arange(size)[at.inputs[1]]
        assert len(outputs) == len(inputs)
        met += [(o, at.kw, i) for o, i in zip(outputs.tolist(), inputs.tolist(), strict=True)]
    expected = [
        (o, k, o * stride - before + k * dilation)
        for k in range(kernel)
        for o in range(out)
        if 0 <= o * stride - before + k * dilation < size
    ]
    assert met == expected
