"""The two ONNX forms of a network: plain float, and the device's fused quantized one."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hemoscope_training.layers import FRAME, HEADS, Layer
from hemoscope_training.network import OUTPUT_CHANNELS
from hemoscope_training.quantize import QuantizedLayer

OPSET = 13
IR_VERSION = 8
DOMAIN = "hemoscope"
DOMAIN_VERSION = 1
OPERATOR = "QuantizedConvolution"
DEVICE_INPUT_CHANNELS = 4
"""Red, green, blue and an unused byte, so that a pixel is one 32-bit word."""


def _model(graph: onnx.GraphProto, custom: bool) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", OPSET)]
    if custom:
        opsets.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="hemoscope_training"
    )


def plain_model(layers: list[Layer]) -> onnx.ModelProto:
    """Write float layers with standard operators.

    Input `frame`: float32 (1, 3, h, w), normalised. Output `heads`: float32 (1, 7, h/4, w/4).
    """
    nodes, weights = [], []
    for layer in layers:
        weights.append(numpy_helper.from_array(layer.weight, f"{layer.name}_weight"))
        weights.append(numpy_helper.from_array(layer.bias, f"{layer.name}_bias"))
        kernel = layer.weight.shape[2]
        result = layer.name
        convolved = f"{result}_convolved" if layer.residual or layer.relu else result
        nodes.append(
            helper.make_node(
                "Conv",
                [layer.source, f"{layer.name}_weight", f"{layer.name}_bias"],
                [convolved],
                name=convolved,
                kernel_shape=[kernel, kernel],
                strides=[layer.stride] * 2,
                pads=[layer.padding] * 4,
            )
        )
        if layer.residual:
            residual = layer.residual
            if layer.residual_upsample == 2:
                residual = f"{layer.residual}_doubled"
                scales = np.array([1, 1, 2, 2], np.float32)
                weights.append(numpy_helper.from_array(scales, f"{residual}_scales"))
                nodes.append(
                    helper.make_node(
                        "Resize",
                        [layer.residual, "", f"{residual}_scales"],
                        [residual],
                        name=residual,
                        mode="nearest",
                        nearest_mode="floor",
                        coordinate_transformation_mode="asymmetric",
                    )
                )
            added = f"{result}_added" if layer.relu else result
            nodes.append(helper.make_node("Add", [convolved, residual], [added], name=added))
            convolved = added
        if layer.relu:
            nodes.append(helper.make_node("Relu", [convolved], [result], name=result))
    frame = helper.make_tensor_value_info(FRAME, TensorProto.FLOAT, [1, 3, "height", "width"])
    heads = helper.make_tensor_value_info(
        HEADS, TensorProto.FLOAT, [1, OUTPUT_CHANNELS, "rows", "columns"]
    )
    model = _model(helper.make_graph(nodes, "plain", [frame], [heads], weights), custom=False)
    onnx.checker.check_model(model)
    return model


def _device_weight(quantized: QuantizedLayer) -> np.ndarray:
    """Weights (outputs, kernel, kernel, inputs); the frame's unused byte gets zeros."""
    if quantized.layer.source != FRAME:
        return quantized.weight
    missing = DEVICE_INPUT_CHANNELS - quantized.weight.shape[3]
    return np.pad(quantized.weight, ((0, 0), (0, 0), (0, 0), (0, missing)))


def device_model(layers: list[QuantizedLayer]) -> onnx.ModelProto:
    """Write quantized layers as the device's one operator.

    Input `frame`: uint8 (1, h, w, 4) of 7-bit values. Output `heads`: int16 (1, h/4, w/4, 7).
    """
    nodes, weights = [], []
    for quantized in layers:
        layer = quantized.layer
        tensors = {
            "weight": _device_weight(quantized),
            "bias": quantized.bias,
            "scale": quantized.scale,
        }
        inputs = [layer.source]
        for kind, values in tensors.items():
            name = f"{layer.name}_{kind}"
            weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
            inputs.append(name)
        if layer.residual:
            inputs.append(layer.residual)
        nodes.append(
            helper.make_node(
                OPERATOR,
                inputs,
                [layer.name],
                name=f"{layer.name}_convolution",
                domain=DOMAIN,
                stride=layer.stride,
                pad=layer.padding,
                input_zero_point=quantized.input_zero_point,
                output_zero_point=quantized.output_zero_point,
                output_min=quantized.output_min,
                output_max=quantized.output_max,
                output_kind=quantized.output_kind,
                residual_zero_point=quantized.residual_zero_point,
                residual_scale=float(quantized.residual_scale),
                residual_upsample=layer.residual_upsample,
            )
        )
    frame = helper.make_tensor_value_info(
        FRAME, TensorProto.UINT8, [1, "height", "width", DEVICE_INPUT_CHANNELS]
    )
    heads = helper.make_tensor_value_info(
        HEADS, TensorProto.INT16, [1, "rows", "columns", OUTPUT_CHANNELS]
    )
    return _model(helper.make_graph(nodes, "device", [frame], [heads], weights), custom=True)
