"""What one run of the network costs on paper: multiply-accumulates and bytes, layer by layer.

The device's kernels leave out blocks of weights that are all zero (sixteen outputs by four
inputs at one place of the window); other runtimes multiply them too.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

BLOCK_OUTPUTS = 16
BLOCK_INPUTS = 4


@dataclass(frozen=True)
class Layer:
    """One quantized convolution. Bytes are those of each tensor once.

    `done` are the multiply-accumulates without the blocks that the device leaves out.
    """

    name: str
    kernel: int
    stride: int
    input_channels: int
    output_channels: int
    output_width: int
    output_height: int
    multiply_accumulates: int
    done: int
    weight_bytes: int
    read_bytes: int
    written_bytes: int


def kept_share(weight: np.ndarray) -> float:
    """The share of weights (outputs, k, k, inputs) outside of the blocks that are left out."""
    outputs, height, width, inputs = weight.shape
    kept = 0
    for first in range(0, outputs, BLOCK_OUTPUTS):
        block = weight[first : first + BLOCK_OUTPUTS]
        dots = block.reshape(len(block), height * width * inputs // BLOCK_INPUTS, BLOCK_INPUTS)
        kept += len(block) * int((dots != 0).any((0, 2)).sum()) * BLOCK_INPUTS
    return kept / weight.size


def layers(device: Path, width_px: int, height_px: int) -> list[Layer]:
    """The layers of model.onnx for an input of that size (four bytes a pixel)."""
    graph = onnx.load(str(device)).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # Width, height and bytes a pixel of every value.
    sizes = {"frame": (width_px, height_px, 4)}
    found = []
    for node in graph.node:
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        weight = weights[node.input[1]]
        outputs, side, _, inputs = weight.shape
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
        multiply_accumulates = width_out * height_out * outputs * side * side * useful
        found.append(
            Layer(
                name=node.output[0],
                kernel=side,
                stride=stride,
                input_channels=useful,
                output_channels=outputs,
                output_width=width_out,
                output_height=height_out,
                multiply_accumulates=multiply_accumulates,
                done=round(multiply_accumulates * kept_share(weight)),
                weight_bytes=outputs * side * side * inputs,
                read_bytes=read,
                written_bytes=width_out * height_out * outputs * wide,
            )
        )
    return found


def multiply_accumulates(device: Path, width_px: int, height_px: int) -> tuple[int, int]:
    """Those of a whole run: all of the network's, and those that the device does."""
    found = layers(device, width_px, height_px)
    return sum(layer.multiply_accumulates for layer in found), sum(layer.done for layer in found)
