"""Finds single cells by enhancement, thresholds and watershed, without learning.

Every image is first scaled so that a red cell measures `RBC_DIAMETER_PX`. Images are uint8 arrays
(height, width, 3), red green blue; lengths are pixels of the scaled image unless they say more.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.morphology import reconstruction
from skimage.segmentation import watershed

RBC_DIAMETER_PX = 40.0
RBC_AREA_PX = np.pi * RBC_DIAMETER_PX**2 / 4

BACKGROUND_PERCENTILE = 90
BACKGROUND_LEVEL = 230.0
"""What the empty slide is brought to, of 255."""

BACKGROUND_SHARE_MIN = 0.7
"""The local background is at least this share of the frame's, so that a clump is none."""

CONTRAST_CLIP = 1.5
CONTRAST_TILES = (4, 4)

NUCLEUS_LEVEL_MAX = 110
"""Green levels up to this are nuclei; they would pull the threshold between cell and slide down."""

NUCLEUS_STAIN_MARGIN = 0.2
"""A nucleus is at least this much more stained than the typical cell."""

HOLE_AREA_MAX = 0.35
"""Background patches up to this share of a red cell, inside a cell, are its central pallor."""

PEAK_HEIGHT = 0.05
"""Height of a distance peak over its saddle that makes a cell of its own, in diameters."""

PEAK_DISTANCE_MIN = 0.13
"""Least distance of a marker to the cell's edge, in diameters."""

WHITE_NUCLEUS_AREA_MIN = 0.35
"""Nuclei from this share of a red cell's area on are white cells' nuclei."""

NUCLEUS_AREA_MIN = 0.02
CYTOPLASM_REACH = 0.2
"""How far a white cell reaches beyond its nucleus, in diameters."""

CELL_AREA_MIN = 0.02
RED_AREA_MIN = 0.15
PLATELET_AREA_MAX = 0.3
PLATELET_NUCLEUS_SHARE_MIN = 0.15


@dataclass(frozen=True)
class Region:
    """One segmented cell in the scaled image.

    Attributes:
        box: (4,) x0, y0, x1, y1.
        area_px: number of pixels.
        nucleus_area_px: pixels stained as a nucleus or a platelet's granules.
        at_border: whether it touches the frame's border.
    """

    box: np.ndarray
    area_px: int
    nucleus_area_px: int
    at_border: bool


def scale_to_cells(image: np.ndarray, rbc_px: float) -> tuple[np.ndarray, float]:
    """Scale an image with red cells of `rbc_px`; returns it and the factor applied."""
    factor = RBC_DIAMETER_PX / rbc_px
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation), factor


def flatten_light(image: np.ndarray) -> np.ndarray:
    """Divide by the local background, so that the empty slide is even and grey."""
    height, width = image.shape[:2]
    size = (max(8, width // 8), max(8, height // 8))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    typical = np.percentile(small.reshape(-1, 3), BACKGROUND_PERCENTILE, axis=0)
    side = int(RBC_DIAMETER_PX / 8 * 2.5) | 1
    local = cv2.GaussianBlur(cv2.dilate(small, np.ones((side, side))), (0, 0), side / 2)
    local = np.maximum(local, BACKGROUND_SHARE_MIN * typical).astype(np.float32)
    background = np.maximum(cv2.resize(local, (width, height)), 1.0)
    return np.clip(image / background * BACKGROUND_LEVEL, 0, 255).astype(np.uint8)


def enhance(image: np.ndarray) -> np.ndarray:
    """Remove speckle, even the light, and raise local contrast of the lightness (CLAHE)."""
    even = flatten_light(cv2.medianBlur(image, 3))
    lab = cv2.cvtColor(even, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.createCLAHE(CONTRAST_CLIP, CONTRAST_TILES).apply(lab[:, :, 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def cell_mask(image: np.ndarray) -> np.ndarray:
    """Mask (height, width) of all cells of an enhanced image, holes of central pallor filled."""
    green = cv2.GaussianBlur(image[:, :, 1], (0, 0), 1.0)
    light = green[green > NUCLEUS_LEVEL_MAX].reshape(-1, 1)
    level = NUCLEUS_LEVEL_MAX
    if len(light):
        level, _ = cv2.threshold(light, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask = (green <= level).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(3))
    holes, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < HOLE_AREA_MAX * RBC_AREA_PX
    inner = small & ~_touches_border(stats, image.shape[:2])
    inner[0] = False
    return (mask > 0) | inner[labels] if holes > 1 else mask > 0


def nucleus_mask(image: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Mask (height, width) of nuclei and granules: the violet and blue parts of `cells`.

    Azure absorbs red and, more than eosin, green; so the measure adds the optical density in red
    to how far green stays behind the other two.
    """
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32)
    red, green, blue = np.moveaxis(smooth, 2, 0)
    density = -np.log10((red + 1) / (BACKGROUND_LEVEL + 1))
    stain = np.clip(density, 0, None) + np.clip(np.maximum(red, blue) - green, 0, None) / 255
    inside = stain[cells]
    if not len(inside):
        return np.zeros_like(cells)
    steps = np.clip(inside * 128, 0, 255).astype(np.uint8).reshape(-1, 1)
    otsu, _ = cv2.threshold(steps, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    least = max(otsu / 128, float(np.median(inside)) + NUCLEUS_STAIN_MARGIN)
    mask = ((stain > least) & cells).astype(np.uint8)
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(3)) > 0


def _disc(side_px: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px))


def _touches_border(stats: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right = left + stats[:, cv2.CC_STAT_WIDTH]
    bottom = top + stats[:, cv2.CC_STAT_HEIGHT]
    return (left == 0) | (top == 0) | (right == shape[1]) | (bottom == shape[0])


def _nucleus_markers(nuclei: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Markers of white cells, lobes joined, and of platelets.

    Returns:
        Labels (height, width) from 1 on, the mask where white cells may lie, and the label count.
    """
    joined = cv2.morphologyEx(
        nuclei.astype(np.uint8), cv2.MORPH_CLOSE, _disc(int(RBC_DIAMETER_PX / 4) | 1)
    )
    count, labels = cv2.connectedComponents(joined)
    area = np.bincount(labels[nuclei], minlength=count) / RBC_AREA_PX
    area[0] = 0
    large = area >= WHITE_NUCLEUS_AREA_MIN
    kept = area >= NUCLEUS_AREA_MIN
    renumbered = np.zeros(count, np.int32)
    renumbered[kept] = np.arange(1, kept.sum() + 1)
    reach = _disc(int(2 * CYTOPLASM_REACH * RBC_DIAMETER_PX) | 1)
    realm = cv2.dilate(large[labels].astype(np.uint8), reach) > 0
    return renumbered[labels], realm, int(kept.sum())


def _red_markers(free: np.ndarray) -> np.ndarray:
    """Mask of distance peaks in the cells that nuclei leave free; the frame's edge is no edge."""
    padded = cv2.copyMakeBorder(free.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    distance = cv2.GaussianBlur(distance, (0, 0), 1.0).astype(np.float64)
    height = PEAK_HEIGHT * RBC_DIAMETER_PX
    lowered = reconstruction(np.maximum(distance - height, 0), distance)
    peaks = (distance - lowered) > 0.6 * height
    return peaks & (distance > PEAK_DISTANCE_MIN * RBC_DIAMETER_PX)


def segment(image: np.ndarray) -> list[Region]:
    """Segment an enhanced image into single cells, touching ones parted by watershed."""
    cells = cell_mask(image)
    nuclei = nucleus_mask(image, cells)
    markers, realm, nucleus_count = _nucleus_markers(nuclei)
    free = cells & ~cv2.dilate((markers > 0).astype(np.uint8), _disc(5)).astype(bool)
    _, red = cv2.connectedComponents((_red_markers(free & ~realm)).astype(np.uint8))
    markers = np.where(red > 0, red + nucleus_count, markers)
    padded = cv2.copyMakeBorder(cells.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    labels = watershed(-distance, markers, mask=cells)
    return _regions(labels, nuclei)


def _regions(labels: np.ndarray, nuclei: np.ndarray) -> list[Region]:
    height, width = labels.shape
    count = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=count)
    nucleus_area = np.bincount(labels[nuclei], minlength=count)
    regions = []
    rows_of, columns_of = _extents(labels, count)
    for label in range(1, count):
        if area[label] < CELL_AREA_MIN * RBC_AREA_PX:
            continue
        (y0, y1), (x0, x1) = rows_of[label], columns_of[label]
        at_border = x0 == 0 or y0 == 0 or x1 == width or y1 == height
        box = np.array([x0, y0, x1, y1], float)
        regions.append(Region(box, int(area[label]), int(nucleus_area[label]), bool(at_border)))
    return regions


def _extents(labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First and one past last row, and column, of every label: two arrays (count, 2)."""
    result = []
    for places in np.indices(labels.shape):
        extent = np.zeros((count, 2), int)
        extent[:, 0] = max(labels.shape)
        np.minimum.at(extent[:, 0], labels, places)
        np.maximum.at(extent[:, 1], labels, places + 1)
        result.append(extent)
    return result[0], result[1]


def rule_class(region: Region) -> str | None:
    """Name a region by its size and nucleus alone; None for what is no cell."""
    area = region.area_px / RBC_AREA_PX
    if region.nucleus_area_px / RBC_AREA_PX >= WHITE_NUCLEUS_AREA_MIN:
        return "WBC"
    stained = region.nucleus_area_px / region.area_px >= PLATELET_NUCLEUS_SHARE_MIN
    if stained and area <= PLATELET_AREA_MAX:
        return "PLT"
    return "RBC" if area >= RED_AREA_MIN or region.at_border else None
