"""What one run of the network costs on paper: multiply-accumulates and bytes, layer by layer."""

from dataclasses import dataclass
from pathlib import Path

import onnx


@dataclass(frozen=True)
class Layer:
    """One quantized convolution. Bytes are those of each tensor once."""

    name: str
    kernel: int
    stride: int
    input_channels: int
    output_channels: int
    output_width: int
    output_height: int
    multiply_accumulates: int
    weight_bytes: int
    read_bytes: int
    written_bytes: int


def layers(device: Path, width_px: int, height_px: int) -> list[Layer]:
    """The layers of model.onnx for an input of that size (four bytes a pixel)."""
    graph = onnx.load(str(device)).graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    # Width, height and bytes a pixel of every value.
    sizes = {"frame": (width_px, height_px, 4)}
    found = []
    for node in graph.node:
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        outputs, side, _, inputs = weights[node.input[1]]
        width, height, depth = sizes[node.input[0]]
        stride, pad = attributes["stride"], attributes["pad"]
        width_out = (width + 2 * pad - side) // stride + 1
        height_out = (height + 2 * pad - side) // stride + 1
        wide = 2 if attributes["output_kind"] == b"i16" else 1
        sizes[node.output[0]] = (width_out, height_out, outputs * wide)
        read = width * height * depth
        if len(node.input) > 4:
            residual = sizes[node.input[4]]
            read += residual[0] * residual[1] * residual[2]
        # The frame's fourth channel is padding.
        useful = 3 if node.input[0] == "frame" else inputs
        found.append(
            Layer(
                name=node.output[0],
                kernel=side,
                stride=stride,
                input_channels=useful,
                output_channels=outputs,
                output_width=width_out,
                output_height=height_out,
                multiply_accumulates=width_out * height_out * outputs * side * side * useful,
                weight_bytes=outputs * side * side * inputs,
                read_bytes=read,
                written_bytes=width_out * height_out * outputs * wide,
            )
        )
    return found


def multiply_accumulates(device: Path, width_px: int, height_px: int) -> int:
    """Those of a whole run."""
    return sum(layer.multiply_accumulates for layer in layers(device, width_px, height_px))
