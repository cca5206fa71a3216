"""The trained network as a plain list of convolutions, batch normalisation folded in.

The list is what gets calibrated, quantized, and written to ONNX; it knows nothing of modules.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

from hemoscope_training.network import CellNetwork, NormalisedConvolution, ResidualBlock

FRAME = "frame"
"""Name of the network's input."""

HEADS = "heads"
"""Name of the network's output."""


@dataclass
class Layer:
    """One convolution with what is fused into it.

    Attributes:
        name: of its output.
        source: name of its input.
        weight: float32 (outputs, inputs, kernel, kernel).
        bias: float32 (outputs,).
        stride: 1 or 2.
        relu: whether negative results become 0.
        residual: name of what is added before the ReLU, or empty.
        residual_upsample: 2 where the residual has half the size and is repeated 2x2, else 1.
    """

    name: str
    source: str
    weight: np.ndarray
    bias: np.ndarray
    stride: int = 1
    relu: bool = True
    residual: str = ""
    residual_upsample: int = 1

    @property
    def padding(self) -> int:
        """Pixels added on each side so that stride 1 keeps the size."""
        return self.weight.shape[2] // 2


def _folded(module: NormalisedConvolution) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias with the normalisation's running statistics folded in."""
    normalisation = module.normalisation
    gain = normalisation.weight / torch.sqrt(normalisation.running_var + normalisation.eps)
    weight = module.convolution.weight * gain[:, None, None, None]
    bias = normalisation.bias - normalisation.running_mean * gain
    return weight.detach().float().numpy(), bias.detach().float().numpy()


def _layer(name: str, source: str, module: NormalisedConvolution, **fused) -> Layer:
    weight, bias = _folded(module)
    stride = module.convolution.stride[0]
    return Layer(name, source, weight, bias, stride, **({"relu": module.relu} | fused))


def _block(name: str, source: str, block: ResidualBlock) -> list[Layer]:
    layers = []
    residual = source
    if block.shortcut is not None:
        residual = f"{name}_shortcut"
        layers.append(_layer(residual, source, block.shortcut))
    layers.append(_layer(f"{name}_first", source, block.first))
    layers.append(_layer(name, f"{name}_first", block.second, relu=True, residual=residual))
    return layers


def network_layers(network: CellNetwork) -> list[Layer]:
    """List a trained network's convolutions in the order they run."""
    joined = {"relu": True, "residual_upsample": 2}
    layers = [_layer("stem", FRAME, network.stem)]
    layers += _block("stage4", "stem", network.stage4)
    layers += _block("stage8_0", "stage4", network.stage8[0])
    layers += _block("stage8_1", "stage8_0", network.stage8[1])
    layers += _block("stage16_0", "stage8_1", network.stage16[0])
    layers += _block("stage16_1", "stage16_0", network.stage16[1])
    layers.append(_layer("lateral16", "stage16_1", network.lateral16))
    layers.append(_layer("joined8", "stage8_1", network.lateral8, residual="lateral16", **joined))
    layers.append(_layer("neck", "joined8", network.neck))
    layers.append(_layer("reduce8", "neck", network.reduce8))
    layers.append(_layer("joined4", "stage4", network.lateral4, residual="reduce8", **joined))
    layers.append(_layer("merge4", "joined4", network.merge4))
    layers.append(_layer("head", "merge4", network.head))
    weight = network.output.weight.detach().float().numpy()
    bias = network.output.bias.detach().float().numpy()
    layers.append(Layer(HEADS, "head", weight, bias, relu=False))
    return layers


@torch.inference_mode()
def run_float(
    layers: list[Layer],
    frame: torch.Tensor,
    watch: Callable[[str, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Run the list in float: (n, 3, h, w) normalised frame to (n, 7, h / 4, w / 4).

    `watch` sees every result by name.
    """
    results = {FRAME: frame}
    for layer in layers:
        value = functional.conv2d(
            results[layer.source],
            torch.from_numpy(layer.weight),
            torch.from_numpy(layer.bias),
            layer.stride,
            layer.padding,
        )
        if layer.residual:
            residual = results[layer.residual]
            if layer.residual_upsample == 2:
                residual = residual.repeat_interleave(2, 2).repeat_interleave(2, 3)
            value = value + residual
        if layer.relu:
            value = functional.relu(value)
        results[layer.name] = value
        if watch:
            watch(layer.name, value)
    return results[HEADS]
