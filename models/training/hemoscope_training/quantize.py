"""Static quantization to the device's arithmetic, and that arithmetic in numpy.

Activations are unsigned 7-bit, weights signed 8-bit with a scale for each output channel. The
seventh bit is the most that unsigned-by-signed (VNNI), signed-by-signed (SDOT) and paired
16-bit sums (vpmaddubsw, SMULL and SMLAL) all take without saturating: 2 x 127 x 127 < 32768.
One arithmetic for every core then needs no corrections, and a frame gives the same bytes on
the desk and on the board.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

from hemoscope_training.layers import FRAME, HEADS, Layer, run_float
from hemoscope_training.network import INPUT_SCALE, ZERO_POINT

ACTIVATION_MAX = 127
BRANCH_ZERO_POINT = 128
"""Branches that are only ever added keep their sign and all 8 bits."""

BRANCH_MAX = 255
WEIGHT_MAX = 127
WEIGHT_MIN = 1e-8
WEIGHTLESS_STEPS = 256
HEADS_STEPS = 256
"""The heads leave the network as 16-bit integers in 1/256."""

HISTOGRAM_BINS = 2048
CLIP_CANDIDATES = np.linspace(0.35, 1.0, 66)


@dataclass
class QuantizedLayer:
    """One fused convolution as the device runs it.

    Attributes:
        layer: where it came from.
        weight: int8 (outputs, kernel, kernel, inputs).
        bias: int32 (outputs,), in units of one product.
        scale: float32 (outputs,), one product in units of the result.
        input_zero_point: what the input's 0 is stored as; the padding too.
        output_zero_point, output_min, output_max: of the stored result.
        residual_scale: float32, one step of the residual in units of the result.
        residual_zero_point: what the residual's 0 is stored as.
    """

    layer: Layer
    weight: np.ndarray
    bias: np.ndarray
    scale: np.ndarray
    input_zero_point: int
    output_zero_point: int
    output_min: int
    output_max: int
    residual_scale: np.float32
    residual_zero_point: int

    @property
    def output_kind(self) -> str:
        """Type of the stored result."""
        return "i16" if self.layer.name == HEADS else "u8"


class _Histogram:
    """Absolute values of one result over all calibration frames."""

    def __init__(self) -> None:
        self.counts = np.zeros(HISTOGRAM_BINS)
        self.limit = 0.0

    def add(self, values: torch.Tensor) -> None:
        limit = float(values.abs().max())
        if limit > self.limit:
            self._widen(limit * 1.2)
        counts = torch.histc(values.abs(), HISTOGRAM_BINS, 0.0, self.limit)
        self.counts += counts.double().numpy()

    def _widen(self, limit: float) -> None:
        if self.counts.any():
            centres = (np.arange(HISTOGRAM_BINS) + 0.5) * self.limit / HISTOGRAM_BINS
            moved = np.minimum(centres / limit * HISTOGRAM_BINS, HISTOGRAM_BINS - 1)
            self.counts = np.bincount(
                moved.astype(int), weights=self.counts, minlength=HISTOGRAM_BINS
            )
        self.limit = limit

    def best_range(self, steps: int) -> float:
        """The clipping limit whose rounding and clipping errors have the least square sum."""
        centres = (np.arange(HISTOGRAM_BINS) + 0.5) * self.limit / HISTOGRAM_BINS
        errors = []
        for share in CLIP_CANDIDATES:
            step = self.limit * share / steps
            stored = np.minimum(np.round(centres / step), steps) * step
            errors.append(((stored - centres) ** 2 * self.counts).sum())
        return float(self.limit * CLIP_CANDIDATES[int(np.argmin(errors))])


def calibrate(layers: list[Layer], frames: list[np.ndarray]) -> dict[str, float]:
    """Find one step size for every result, from frames (3, h, w) of 7-bit values."""
    histograms = {layer.name: _Histogram() for layer in layers}
    for frame in frames:
        x = (torch.from_numpy(frame)[None].float() - ZERO_POINT) * INPUT_SCALE
        run_float(layers, x, lambda name, value: histograms[name].add(value))
    steps = {FRAME: INPUT_SCALE, HEADS: 1.0 / HEADS_STEPS}
    for layer in layers:
        if layer.name in steps:
            continue
        count = ACTIVATION_MAX if layer.relu else BRANCH_MAX - BRANCH_ZERO_POINT
        steps[layer.name] = histograms[layer.name].best_range(count) / count
    return steps


def quantize(layers: list[Layer], steps: dict[str, float]) -> list[QuantizedLayer]:
    """Turn float layers into the device's, given one step size for every result."""
    relu_of = {layer.name: layer.relu for layer in layers}
    quantized = []
    for layer in layers:
        limits = np.abs(layer.weight).reshape(len(layer.weight), -1).max(1)
        weight_step = limits / WEIGHT_MAX
        # A channel whose weights are all left out is its bias: in small steps of the result.
        weight_step[limits < WEIGHT_MIN] = (
            steps[layer.name] / steps[layer.source] / WEIGHTLESS_STEPS
        )
        weight = np.rint(layer.weight / weight_step[:, None, None, None])
        product_step = weight_step.astype(np.float64) * steps[layer.source]
        bias = np.rint(layer.bias / product_step)
        if np.abs(bias).max() > 2**30:
            raise ValueError(f"layer {layer.name}: a bias does not fit 32-bit sums")
        if layer.name == HEADS:
            zero_point, low, high = 0, -32768, 32767
        elif layer.relu:
            zero_point, low, high = 0, 0, ACTIVATION_MAX
        else:
            zero_point, low, high = BRANCH_ZERO_POINT, 0, BRANCH_MAX
        residual_scale = steps[layer.residual] / steps[layer.name] if layer.residual else 0.0
        branch = bool(layer.residual) and not relu_of[layer.residual]
        quantized.append(
            QuantizedLayer(
                layer=layer,
                weight=weight.astype(np.int8).transpose(0, 2, 3, 1).copy(),
                bias=bias.astype(np.int32),
                scale=(product_step / steps[layer.name]).astype(np.float32),
                input_zero_point=ZERO_POINT if layer.source == FRAME else 0,
                output_zero_point=zero_point,
                output_min=low,
                output_max=high,
                residual_scale=np.float32(residual_scale),
                residual_zero_point=BRANCH_ZERO_POINT if branch else 0,
            )
        )
    return quantized


def _integer_sums(layer: QuantizedLayer, source: np.ndarray) -> np.ndarray:
    """Exact sums of products (outputs, h, w) of stored values (inputs, h, w), without bias."""
    # Doubles hold every sum exactly: the largest is far below 2^53.
    centred = torch.from_numpy(source.astype(np.float64) - layer.input_zero_point)[None]
    weight = torch.from_numpy(layer.weight.astype(np.float64).transpose(0, 3, 1, 2).copy())
    sums = functional.conv2d(centred, weight, None, layer.layer.stride, layer.layer.padding)
    return sums[0].numpy().astype(np.int64)


def run_integer(layers: list[QuantizedLayer], frame: np.ndarray) -> np.ndarray:
    """Run the device's arithmetic: 7-bit (3, h, w) to int16 heads (h / 4, w / 4, 7).

    The sum with its bias becomes a float32, is multiplied by the channel's scale, the residual's
    product is added, the result is clamped and rounded to the nearest even integer: each a
    single IEEE operation, so every processor gives the same bits.
    """
    results = {FRAME: frame}
    for quantized in layers:
        layer = quantized.layer
        sums = _integer_sums(quantized, results[layer.source]) + quantized.bias[:, None, None]
        if np.abs(sums).max(initial=0) >= 2**31:
            raise ValueError(f"layer {layer.name}: a sum left 32 bits")
        value = sums.astype(np.int32).astype(np.float32) * quantized.scale[:, None, None]
        if layer.residual:
            stored = results[layer.residual].astype(np.int32) - quantized.residual_zero_point
            if layer.residual_upsample == 2:
                stored = stored.repeat(2, 1).repeat(2, 2)
            value = value + stored.astype(np.float32) * quantized.residual_scale
        zero_point = quantized.output_zero_point
        value = np.clip(
            value,
            np.float32(quantized.output_min - zero_point),
            np.float32(quantized.output_max - zero_point),
        )
        results[layer.name] = np.rint(value).astype(np.int32) + zero_point
    return results[HEADS].astype(np.int16).transpose(1, 2, 0)
