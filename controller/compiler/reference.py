"""The float model in onnxruntime: the reference for accuracy, and the source of calibration data."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnxruntime as ort

from controller.compiler.errors import BrokenModelError
from controller.compiler.frontend import Source
from controller.compiler.ir import Array, Graph


class FloatModel:
    """The model as it came, with static shapes.

    Args:
        source: The ONNX model.
        graph: Its graph, for the shapes of the inputs.
        observed: Names of ONNX values to return besides the outputs; unknown ones are left out.
    """

    def __init__(self, source: Source, graph: Graph, observed: Sequence[str] = ()) -> None:
        model = onnx.ModelProto()
        model.CopyFrom(source.model)
        for value in model.graph.input:
            if value.name in graph.inputs:
                kind = onnx.helper.make_tensor_type_proto(
                    value.type.tensor_type.elem_type, graph.tensors[value.name].shape
                )
                value.type.CopyFrom(kind)
        # Sizes that a file states for values inside may still be open, or of another batch.
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
        made = {name for node in model.graph.node for name in node.output}
        outputs = [value.name for value in model.graph.output]
        extra = [name for name in observed if name in made and name not in outputs]
        model.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in extra
        )
        self.names = [*outputs, *extra]
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        # onnxruntime's exceptions share no base but RuntimeError and Exception.
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise BrokenModelError(
                f"onnxruntime cannot load {source.name}: {reason}",
                where=source.where,
                remedy="export the model again, or with an older opset",
            ) from error

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """One inference; every output and observed value by name."""
        return dict(zip(self.names, self._session.run(self.names, dict(inputs)), strict=True))
