"""An index that data hold and that lies out of range traps, and the message names the layer."""

import numpy as np
import pytest

from controller.compiler import LayerTrap
from tests.contract.compiler.single_operators import Case, ints, model_of
from tests.oracle import load, run
from tests.support.compiling import compile_targets

X = np.arange(12, dtype=np.float32).reshape(3, 4)
BELOW, ABOVE = -4, 3
"""Of an axis of three: the first index on either side that is none."""


def cases() -> list[Case]:
    """Each operator with the index on either side, an index that is one beside it."""
    made = []
    for wrong in (BELOW, ABOVE):
        for kind in ("int32", "int64"):
            index = ints(0, wrong, dtype=kind)
            made += [
                Case("Gather", [X, index], [(2, 4)], {"axis": 0}),
                Case("GatherElements", [X, index.reshape(1, 2)], [(1, 2)], {"axis": 0}),
                Case("ScatterElements", [X, index.reshape(1, 2), X[:1, :2]], [X.shape], {"axis": 0}),
            ]
        pairs = ints(0, 1, wrong, 1).reshape(2, 2)
        made += [
            Case("GatherND", [X, pairs], [(2,)]),
            Case("ScatterND", [X, pairs, X[0, :2]], [X.shape]),
            Case("ScatterND", [X, pairs, X[0, :2]], [X.shape], {"reduction": "add"}),
        ]
    boxes = np.array([[0, 0, 2, 2]], np.float32)
    image, size = X.reshape(1, 1, 3, 4), {"output_height": 2, "output_width": 2}
    made += [Case("RoiAlign", [image, boxes, ints(wrong)], [(1, 1, 2, 2)], size) for wrong in (-1, 1)]
    column = X.reshape(4, 3)
    for wrong in (-1, 5):
        axes = {"batch_axis": 1, "time_axis": 0}
        made.append(Case("ReverseSequence", [column, ints(4, wrong, 0)], [column.shape], axes))
    return made


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case} {case.inputs[1].ravel().tolist()}")
def test_the_trap_names_layer_node_operator_and_shapes(case, tmp_path):
    proto, given = model_of([case])
    document, instances = compile_targets(proto, tmp_path)
    with pytest.raises(IndexError):
        run(load(document), given)
    for instance in instances.values():
        with pytest.raises(LayerTrap) as caught:
            instance.run(given)
        layer = instance.meta.layers[caught.value.layer]
        assert (layer.name, layer.op) == (f"{case.op}0", case.op)
        shape = "x".join(map(str, case.outputs[0]))
        words = f"trap in {case.op.lower()}_{caught.value.layer} ({case.op}0, {case.op}"
        assert caught.value.what.startswith(words)
        assert f" and {'x'.join(map(str, case.inputs[1].shape))}" in caught.value.what
        assert f" -> {shape}: a" in caught.value.what
        assert " is out of range (" in caught.value.what
        assert caught.value.remedy == "check what this layer is given"
