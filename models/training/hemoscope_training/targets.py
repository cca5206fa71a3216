"""What the network should answer for a crop with known cells, and how wrong an answer is."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

from hemoscope_training.network import (
    CLASS_NAMES,
    LOG_SIZE_CHANNELS,
    OFFSET_CHANNELS,
    STRIDE_PX,
)

HEAT_SIGMA_PER_SIZE = 1.0 / 6.0
"""A cell's heat has fallen to 1 % at its edge."""

HEAT_SIGMA_MIN_CELLS = 0.5
NEIGHBOUR_WEIGHT = 0.3
"""Boxes are also taught one place beside the centre, since a peak may be found there."""

NEIGHBOUR_SIZE_MIN_CELLS = 3.0
OFFSET_WEIGHT = 0.15
LOG_SIZE_WEIGHT = 0.4
BOX_WEIGHT = 1.5


@dataclass
class CropTargets:
    """Maps for one crop of side n * STRIDE_PX.

    Attributes:
        heat: float32 (3, n, n) in 0..1, exactly 1 at a cell's centre.
        weight: float32 (3, n, n), 0 where the labels say nothing.
        boxes: float32 (4, n, n): centre offset and log size in output cells.
        box_weight: float32 (n, n).
    """

    heat: np.ndarray
    weight: np.ndarray
    boxes: np.ndarray
    box_weight: np.ndarray


def _add_heat(heat: np.ndarray, column: int, row: int, width: float, height: float) -> None:
    """Raise one class's heat map (n, n) to an elliptic Gaussian around a centre."""
    sigma_x = max(HEAT_SIGMA_MIN_CELLS, width * HEAT_SIGMA_PER_SIZE)
    sigma_y = max(HEAT_SIGMA_MIN_CELLS, height * HEAT_SIGMA_PER_SIZE)
    rows, columns = heat.shape
    x = np.arange(
        max(0, column - int(3 * sigma_x) - 1), min(columns, column + int(3 * sigma_x) + 2)
    )
    y = np.arange(max(0, row - int(3 * sigma_y) - 1), min(rows, row + int(3 * sigma_y) + 2))
    along_x = np.exp(-((x - column) ** 2) / (2 * sigma_x**2))
    along_y = np.exp(-((y - row) ** 2) / (2 * sigma_y**2))
    view = heat[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
    np.maximum(view, along_y[:, None] * along_x[None], out=view)


def _cells(low: float, high: float, count: int) -> slice:
    """Output cells that an extent in pixels touches."""
    return slice(max(0, int(low // STRIDE_PX)), min(count, int(-(-high // STRIDE_PX))))


def make_targets(
    boxes: np.ndarray, ignored: np.ndarray, unlabelled_rbc: np.ndarray, side_px: int
) -> CropTargets:
    """Draw the target maps of a crop.

    Args:
        boxes: (n, 5) class index and corners in crop pixels.
        ignored: (m, 4) corners where no class is taught (slivers of cut cells).
        unlabelled_rbc: (k, 4) corners where missing red cells mean nothing.
        side_px: the crop's side, a multiple of STRIDE_PX.
    """
    count = side_px // STRIDE_PX
    heat = np.zeros((len(CLASS_NAMES), count, count), np.float32)
    weight = np.ones_like(heat)
    box_maps = np.zeros((4, count, count), np.float32)
    box_weight = np.zeros((count, count), np.float32)
    for x0, y0, x1, y1 in unlabelled_rbc:
        weight[0, _cells(y0, y1, count), _cells(x0, x1, count)] = 0
    if len(unlabelled_rbc):
        for _, x0, y0, x1, y1 in boxes:
            weight[0, _cells(y0, y1, count), _cells(x0, x1, count)] = 1
    for x0, y0, x1, y1 in ignored:
        weight[:, _cells(y0, y1, count), _cells(x0, x1, count)] = 0
    # Small cells last: where centres meet, the smaller one keeps the box.
    order = np.argsort(-(boxes[:, 3] - boxes[:, 1]) * (boxes[:, 4] - boxes[:, 2]), kind="stable")
    for class_index, x0, y0, x1, y1 in boxes[order].tolist():
        centre_x, centre_y = (x0 + x1) / 2 / STRIDE_PX, (y0 + y1) / 2 / STRIDE_PX
        width, height = (x1 - x0) / STRIDE_PX, (y1 - y0) / STRIDE_PX
        column, row = min(count - 1, int(centre_x)), min(count - 1, int(centre_y))
        class_heat = heat[int(class_index)]
        _add_heat(class_heat, column, row, width, height)
        large = min(width, height) > NEIGHBOUR_SIZE_MIN_CELLS
        reach = 1 if large else 0
        for v in range(max(0, row - reach), min(count, row + reach + 1)):
            for u in range(max(0, column - reach), min(count, column + reach + 1)):
                centre = u == column and v == row
                if not centre and box_weight[v, u] >= 1:
                    continue
                box_maps[:, v, u] = (
                    centre_x - u - 0.5,
                    centre_y - v - 0.5,
                    math.log(max(width, 0.2)),
                    math.log(max(height, 0.2)),
                )
                box_weight[v, u] = 1.0 if centre else NEIGHBOUR_WEIGHT
        class_heat[row, column] = 1.0
    weight = np.maximum(weight, heat > 0.999)
    return CropTargets(heat, weight, box_maps, box_weight)


def _corners(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn (k, 4) offsets and log sizes into low and high corners in output cells."""
    half = maps[:, 2:].clamp(-3, 5).exp() / 2
    return maps[:, :2] - half, maps[:, :2] + half


def _distance_iou_loss(predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Distance-IoU loss of boxes given as offsets and log sizes (Zheng et al. 2020)."""
    low, high = _corners(predicted)
    wanted_low, wanted_high = _corners(wanted)
    shared = (torch.minimum(high, wanted_high) - torch.maximum(low, wanted_low)).clamp(min=0)
    shared_area = shared.prod(1)
    union = (high - low).prod(1) + (wanted_high - wanted_low).prod(1) - shared_area
    hull = torch.maximum(high, wanted_high) - torch.minimum(low, wanted_low)
    distance = ((predicted[:, :2] - wanted[:, :2]) ** 2).sum(1) / ((hull**2).sum(1) + 1e-6)
    return 1 - shared_area / (union + 1e-6) + distance


def loss(
    maps: torch.Tensor,
    heat: torch.Tensor,
    weight: torch.Tensor,
    boxes: torch.Tensor,
    box_weight: torch.Tensor,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Penalty-reduced focal loss on heat (Zhou et al. 2019) plus box losses.

    Args:
        maps: network output (n, 7, h, w).
        heat, weight: (n, 3, h, w).
        boxes: (n, 4, h, w).
        box_weight: (n, h, w).

    Returns:
        The loss to minimise and its parts for the log.
    """
    logits = maps[:, : len(CLASS_NAMES)]
    score = torch.sigmoid(logits)
    positive = (heat > 0.999).float()
    at_centre = positive * (1 - score) ** 2 * functional.logsigmoid(logits)
    elsewhere = (1 - positive) * (1 - heat) ** 4 * score**2 * functional.logsigmoid(-logits)
    heat_loss = -((at_centre + elsewhere) * weight).sum() / positive.sum().clamp(min=1)

    taught = box_weight > 0
    predicted = maps[:, OFFSET_CHANNELS.start :].permute(0, 2, 3, 1)[taught]
    wanted = boxes.permute(0, 2, 3, 1)[taught]
    row_weight = box_weight[taught]
    total_weight = row_weight.sum().clamp(min=1)
    error = (predicted - wanted).abs() * row_weight[:, None] / total_weight
    sizes = slice(LOG_SIZE_CHANNELS.start - 3, LOG_SIZE_CHANNELS.stop - 3)
    offset_loss, size_loss = error[:, :2].sum(), error[:, sizes].sum()
    box_loss = (_distance_iou_loss(predicted, wanted) * row_weight).sum() / total_weight
    total = (
        heat_loss
        + BOX_WEIGHT * box_loss
        + OFFSET_WEIGHT * offset_loss
        + LOG_SIZE_WEIGHT * size_loss
    )
    parts = {
        "loss": total.item(),
        "heat_loss": heat_loss.item(),
        "box_loss": box_loss.item(),
        "size_loss": size_loss.item(),
    }
    return total, parts
