"""The residual network that finds cells by their centres.

A frame goes through a small ResNet trunk with strides 2 to 16; lateral connections bring the
result back to stride 4, where overlapping cells still have centres of their own. Every
convolution is followed by batch normalisation, which folds into it at export, and every
channel count is a multiple of 16, which is what the device's int8 kernels work in.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import nn

CLASS_NAMES = ("RBC", "WBC", "PLT")
"""Classes in the order of the heat channels."""

STRIDE_PX = 4
"""Input pixels per output cell."""

SIDE_MULTIPLE_PX = 16
"""Both sides of the input are multiples of the trunk's deepest stride."""

RBC_DIAMETER_PX = 52.0
"""Diameter of a red cell in the network's input: a 640x480 frame of a x100 objective halved."""

ZERO_POINT = 64
"""The 7-bit input value that the network sees as 0."""

INPUT_SCALE = 1.0 / 32.0
"""What one step of the 7-bit input is worth to the network."""

OFFSET_CHANNELS = slice(3, 5)
LOG_SIZE_CHANNELS = slice(5, 7)
OUTPUT_CHANNELS = 7
"""Three heat logits, two centre offsets in output cells, two log sizes in output cells."""


@dataclass(frozen=True)
class NetworkSettings:
    """Widths of the network; the defaults are the shipped ones.

    Attributes:
        widths: channels of the stem and of the stages at strides 4, 8 and 16.
        neck: channels where strides 16 and 8 are joined.
        head: channels at stride 4.
    """

    widths: tuple[int, int, int, int] = (16, 32, 48, 96)
    neck: int = 64
    head: int = 32


class NormalisedConvolution(nn.Module):
    """Convolution and batch normalisation; `relu` says whether negative values are cut."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.normalisation = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        x = self.normalisation(self.convolution(x))
        return functional.relu(x) if self.relu else x


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, projected by 1x1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = NormalisedConvolution(inputs, outputs, 3, stride)
        self.second = NormalisedConvolution(outputs, outputs, 3, relu=False)
        projected = stride != 1 or inputs != outputs
        self.shortcut = (
            NormalisedConvolution(inputs, outputs, 1, stride, relu=False) if projected else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return functional.relu(self.second(self.first(x)) + shortcut)


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Repeat every value 2x2, which the device does by reading the source at half the index."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class CellNetwork(nn.Module):
    """Frame to heat, offset and size maps at stride 4."""

    def __init__(self, settings: NetworkSettings | None = None) -> None:
        super().__init__()
        settings = settings or NetworkSettings()
        stem, quarter, eighth, sixteenth = settings.widths
        self.stem = NormalisedConvolution(3, stem, 3, 2)
        self.stage4 = ResidualBlock(stem, quarter, 2)
        self.stage8 = nn.Sequential(
            ResidualBlock(quarter, eighth, 2), ResidualBlock(eighth, eighth, 1)
        )
        self.stage16 = nn.Sequential(
            ResidualBlock(eighth, sixteenth, 2), ResidualBlock(sixteenth, sixteenth, 1)
        )
        self.lateral16 = NormalisedConvolution(sixteenth, settings.neck, 1, relu=False)
        self.lateral8 = NormalisedConvolution(eighth, settings.neck, 1, relu=False)
        self.neck = NormalisedConvolution(settings.neck, settings.neck, 3)
        self.reduce8 = NormalisedConvolution(settings.neck, settings.head, 1, relu=False)
        self.lateral4 = NormalisedConvolution(quarter, settings.head, 1, relu=False)
        self.merge4 = NormalisedConvolution(settings.head, settings.head, 3)
        self.head = NormalisedConvolution(settings.head, settings.head, 3)
        self.output = nn.Conv2d(settings.head, OUTPUT_CHANNELS, 1)
        nn.init.zeros_(self.output.bias)
        # A prior of about 1.5 % keeps the first steps from drowning in empty places.
        nn.init.constant_(self.output.bias[: len(CLASS_NAMES)], -4.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map a normalised frame (n, 3, h, w) to maps (n, 7, h / 4, w / 4)."""
        quarter = self.stage4(self.stem(x))
        eighth = self.stage8(quarter)
        sixteenth = self.stage16(eighth)
        neck = functional.relu(doubled(self.lateral16(sixteenth)) + self.lateral8(eighth))
        neck = self.neck(neck)
        merged = functional.relu(doubled(self.reduce8(neck)) + self.lateral4(quarter))
        return self.output(self.head(self.merge4(merged)))


def multiply_accumulates(network: nn.Module, height_px: int, width_px: int) -> int:
    """Count the multiply-accumulates of one frame of the given size."""
    total = 0

    def count(module: nn.Conv2d, _inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        kernel = module.kernel_size[0] * module.kernel_size[1]
        total += output[0].numel() * module.in_channels * kernel

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        network(torch.zeros(1, 3, height_px, width_px))
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    return total


def parameter_count(network: nn.Module) -> int:
    """Count the trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())
