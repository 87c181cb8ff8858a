"""Write a trained `CropNet` as ONNX, node by node.

The graph is spelled out instead of traced: node and tensor names are then the ones that people meet on
devices ("/spatial/conv"), they do not change with the exporter's version, and the batch normalisations
stay visible as an ordinary export in evaluation mode would have them.
"""

import copy

import numpy as np
import onnx
import torch
from network import CLASSES, CropNet, Unit
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class _Graph:
    """Nodes and initializers, collected in order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: torch.Tensor) -> str:
        array = value.detach().numpy().astype(np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(
        self, op: str, name: str, inputs: list[str], output: str | None = None, **attributes: object
    ) -> str:
        output = output or f"{name}/output"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def unit(self, name: str, unit: Unit, source: str, *, shift: torch.Tensor | None = None) -> str:
        """Convolution, batch normalisation, residual sum, Relu; ``shift`` [channels_out] joins the mean."""
        conv, bn = unit.conv, unit.bn
        y = self.node(
            "Conv",
            f"/{name}/conv",
            [source, self.constant(f"{name}.conv.weight", conv.weight)],
            kernel_shape=list(conv.kernel_size),
            pads=[*conv.padding, *conv.padding],
        )
        mean = bn.running_mean if shift is None else bn.running_mean + shift
        statistics = {"weight": bn.weight, "bias": bn.bias, "mean": mean, "var": bn.running_var}
        constants = [self.constant(f"{name}.bn.{key}", value) for key, value in statistics.items()]
        y = self.node("BatchNormalization", f"/{name}/bn", [y, *constants], epsilon=bn.eps)
        if unit.residual:
            y = self.node("Add", f"/{name}/add", [source, y])
        return self.node("Relu", f"/{name}/relu", [y])


def to_onnx(network: CropNet) -> onnx.ModelProto:
    """Build the ONNX model.

    Returns:
        A checked model: ``image`` float32 [1,4,3,3] (digital numbers / 255) → ``probability`` float32 [1,6].
    """
    graph = _Graph()
    # Standardising is affine and the first convolution has no padding, so conv((x - mean)/std) equals
    # conv'(x) - conv'(mean) with weights divided by std; the constant goes into the running mean.
    shift = (network.spectral.conv.weight / network.std * network.mean).sum((1, 2, 3))
    first = copy.deepcopy(network.spectral)
    first.conv.weight.data /= network.std
    x = graph.unit("spectral", first, "image", shift=shift)
    x = graph.unit("spatial", network.spatial, x)
    x = graph.unit("context", network.context, x)
    x = graph.node("Flatten", "/flatten", [x], axis=1)
    head = [
        graph.constant("head.weight", network.head.weight),
        graph.constant("head.bias", network.head.bias),
    ]
    x = graph.node("Gemm", "/head/gemm", [x, *head], transB=1)
    graph.node("Softmax", "/softmax", [x], output="probability", axis=1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "crop-model",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4, 3, 3])],
            [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1, CLASSES])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="modules/crop-model/train.py",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
