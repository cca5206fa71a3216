"""Random crops for training: geometry, neighbours, platelets, stain, light, blur, noise."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hemoscope_training.dataset import SmearImage
from hemoscope_training.network import CLASS_NAMES, RBC_DIAMETER_PX

PLATELET = CLASS_NAMES.index("PLT")

STAIN_OPTICAL_DENSITY = np.array(
    [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32
)
"""Absorption of three stains in red, green, blue (Ruifrok & Johnston 2001)."""


@dataclass(frozen=True)
class AugmentSettings:
    """How far training departs from the stored images.

    Attributes:
        scale_low, scale_high: range of the cell size against RBC_DIAMETER_PX.
        mosaic: share of crops put together from four images.
        platelet_paste: share of crops with platelets pasted from elsewhere.
        free_rotation: share of crops turned by any angle.
        stain: share of crops whose stains are made stronger, weaker or shifted.
        colour, gamma, saturation, channel_mix, shading, blur, noise, jpeg: shares likewise.
    """

    scale_low: float = 0.6
    scale_high: float = 1.25
    mosaic: float = 0.5
    platelet_paste: float = 0.5
    free_rotation: float = 0.15
    stain: float = 0.35
    colour: float = 0.8
    gamma: float = 0.4
    saturation: float = 0.4
    channel_mix: float = 0.15
    shading: float = 0.3
    blur: float = 0.25
    noise: float = 0.25
    jpeg: float = 0.2


FINISHING = AugmentSettings(mosaic=0.0, platelet_paste=0.2, free_rotation=0.05, stain=0.25)
"""The last part of training sees crops as the device will: no seams, few pasted cells."""

SLIVER_SHARE = 0.12
"""A cell of which less shows is not taught, neither as cell nor as background."""

SLIVER_SIDE_PX = 6.0
PASTE_TRIES = 6


@dataclass
class Crop:
    """A crop in training.

    Attributes:
        pixels: uint8 (height, width, 3).
        boxes: (n, 5) class index and corners.
        ignored: (m, 4) corners of what must not be taught.
        unlabelled_rbc: (k, 4) corners where red cells may be unlabelled.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    ignored: np.ndarray
    unlabelled_rbc: np.ndarray


@dataclass
class PlateletPatch:
    """A platelet standing alone, as light relative to its background.

    Attributes:
        light: float32 (h, w, 3).
        box: corners in the patch.
        rbc_diameter_px: red cell diameter at the patch's scale.
    """

    light: np.ndarray
    box: tuple[float, float, float, float]
    rbc_diameter_px: float


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _transform_boxes(
    boxes: np.ndarray, matrix: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move boxes (n, 5) as ellipses: exact for quarter turns, tight for round cells."""
    centre = (boxes[:, 1:3] + boxes[:, 3:5]) / 2 @ matrix.T + shift
    half = np.sqrt(((boxes[:, 3:5] - boxes[:, 1:3]) / 2) ** 2 @ (matrix.T**2))
    return centre - half, centre + half


def _orientation(rng: np.random.Generator) -> np.ndarray:
    """One of the eight flips and quarter turns as a (2, 2) matrix."""
    matrix = np.diag(rng.choice([-1.0, 1.0], 2))
    return matrix[::-1].copy() if rng.random() < 0.5 else matrix


def _rotation(angle: float) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def render(
    image: SmearImage,
    width_px: int,
    height_px: int,
    rng: np.random.Generator,
    settings: AugmentSettings,
    flush: float,
) -> Crop:
    """Draw a random view of one image.

    Args:
        image: where the view is taken.
        width_px, height_px: size of the view.
        rng: source of chance.
        settings: ranges.
        flush: chance, per axis, that the image's own border lies on the view's border, so that
            cut cells look as they do on the device.
    """
    scale = RBC_DIAMETER_PX / image.rbc_diameter_px
    scale *= _log_uniform(rng, settings.scale_low, settings.scale_high)
    stretch = math.exp(rng.uniform(-0.1, 0.1))
    matrix = _orientation(rng) @ np.diag([scale * stretch, scale / stretch])
    turned = rng.random() < settings.free_rotation
    if turned:
        matrix = _rotation(rng.uniform(0, 2 * math.pi)) @ matrix
    height, width = image.pixels.shape[:2]
    extent = np.abs(matrix) @ np.array([width, height])
    shift = np.zeros(2)
    for axis, size_px in enumerate((width_px, height_px)):
        slack = abs(extent[axis] - size_px) / 2
        move = rng.uniform(-slack, slack)
        if rng.random() < flush and not turned:
            move = slack if rng.random() < 0.5 else -slack
        shift[axis] = size_px / 2 + move
    shift -= matrix @ np.array([width / 2, height / 2])
    pixels = cv2.warpAffine(
        image.pixels,
        np.hstack([matrix, shift[:, None]]).astype(np.float32),
        (width_px, height_px),
        flags=cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=tuple(float(value) for value in image.background),
    )
    whole = np.array([[0, 0, width_px, height_px]], np.float32)
    nothing = np.zeros((0, 4), np.float32)
    unlabelled = whole if image.partial else nothing
    if not len(image.boxes):
        return Crop(pixels, np.zeros((0, 5), np.float32), nothing, unlabelled)

    low, high = _transform_boxes(image.boxes, matrix, shift)
    size = np.array([width_px, height_px], np.float32)
    seen_low, seen_high = np.clip(low, 0, size), np.clip(high, 0, size)
    seen = seen_high - seen_low
    share = seen.prod(1) / (high - low).prod(1)
    taught = (share > SLIVER_SHARE) & (seen.min(1) > SLIVER_SIDE_PX)
    if turned:
        # The image's own border cut these cells: turned, their boxes are not what shows.
        stored = image.boxes[:, 1:]
        inside = (stored[:, :2] > 1).all(1) & (stored[:, 2:] < (width - 1, height - 1)).all(1)
        taught &= inside
    ignored = (seen.min(1) > 1) & ~taught
    boxes = np.hstack([image.boxes[taught, :1], seen_low[taught], seen_high[taught]])
    corners = np.hstack([seen_low, seen_high])[ignored]
    return Crop(pixels, boxes.astype(np.float32), corners.astype(np.float32), unlabelled)


def mosaic(
    images: list[SmearImage], side_px: int, rng: np.random.Generator, settings: AugmentSettings
) -> Crop:
    """Put views of four images into one crop around a random corner."""
    split_x, split_y = (int(value) for value in rng.uniform(0.3, 0.7, 2) * side_px)
    pixels = np.zeros((side_px, side_px, 3), np.uint8)
    places = (
        (0, 0, split_x, split_y),
        (split_x, 0, side_px - split_x, split_y),
        (0, split_y, split_x, side_px - split_y),
        (split_x, split_y, side_px - split_x, side_px - split_y),
    )
    parts = []
    for image, (x, y, width, height) in zip(images, places, strict=True):
        part = render(image, width, height, rng, settings, flush=0.3)
        pixels[y : y + height, x : x + width] = part.pixels
        corner = np.array([x, y, x, y], np.float32)
        part.boxes[:, 1:] += corner
        parts.append((part.boxes, part.ignored + corner, part.unlabelled_rbc + corner))
    boxes, ignored, unlabelled = (np.vstack(group) for group in zip(*parts, strict=True))
    return Crop(pixels, boxes, ignored, unlabelled)


def collect_platelets(images: list[SmearImage]) -> list[PlateletPatch]:
    """Cut out every platelet that stands clear of other cells and of the border."""
    patches = []
    for image in images:
        height, width = image.pixels.shape[:2]
        for index, (class_index, x0, y0, x1, y1) in enumerate(image.boxes):
            near_border = x0 < 2 or y0 < 2 or x1 > width - 2 or y1 > height - 2
            if class_index != PLATELET or near_border:
                continue
            others = np.delete(image.boxes, index, axis=0)
            shared_x = np.minimum(others[:, 3], x1) - np.maximum(others[:, 1], x0)
            shared_y = np.minimum(others[:, 4], y1) - np.maximum(others[:, 2], y0)
            shared = np.clip(shared_x, 0, None) * np.clip(shared_y, 0, None)
            if shared.sum() > 0.08 * (x1 - x0) * (y1 - y0):
                continue
            left, top = max(0, round(float(x0)) - 2), max(0, round(float(y0)) - 2)
            right, bottom = min(width, round(float(x1)) + 2), min(height, round(float(y1)) + 2)
            patch = image.pixels[top:bottom, left:right].astype(np.float32)
            patches.append(
                PlateletPatch(
                    light=patch / np.maximum(image.background, 30.0),
                    box=(x0 - left, y0 - top, x1 - left, y1 - top),
                    rbc_diameter_px=image.rbc_diameter_px,
                )
            )
    return patches


def paste_platelet(
    crop: Crop, patch: PlateletPatch, rng: np.random.Generator, settings: AugmentSettings
) -> None:
    """Lay one platelet onto a free place of the crop, if a few tries find one."""
    factor = RBC_DIAMETER_PX / patch.rbc_diameter_px
    factor *= _log_uniform(rng, settings.scale_low, settings.scale_high)
    height, width = patch.light.shape[:2]
    new_width, new_height = max(6, round(width * factor)), max(6, round(height * factor))
    area = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    light = cv2.resize(patch.light, (new_width, new_height), interpolation=area)
    x_factor, y_factor = new_width / width, new_height / height
    x0, y0, x1, y1 = np.array(patch.box) * [x_factor, y_factor, x_factor, y_factor]
    if rng.random() < 0.5:
        light, x0, x1 = light[:, ::-1], new_width - x1, new_width - x0
    if rng.random() < 0.5:
        light, y0, y1 = light[::-1], new_height - y1, new_height - y0
    side_y, side_x = crop.pixels.shape[:2]
    for _ in range(PASTE_TRIES):
        left = int(rng.integers(0, side_x - new_width))
        top = int(rng.integers(0, side_y - new_height))
        shared_x = np.minimum(crop.boxes[:, 3], left + new_width) - np.maximum(
            crop.boxes[:, 1], left
        )
        shared_y = np.minimum(crop.boxes[:, 4], top + new_height) - np.maximum(
            crop.boxes[:, 2], top
        )
        if ((shared_x > 1) & (shared_y > 1)).any():
            continue
        region = crop.pixels[top : top + new_height, left : left + new_width]
        under = region.astype(np.float32)
        local_background = np.median(under.reshape(-1, 3), axis=0)
        mask = np.zeros((new_height, new_width), np.float32)
        axes = (max(1, round((x1 - x0) / 2 + 1.5)), max(1, round((y1 - y0) / 2 + 1.5)))
        cv2.ellipse(mask, (new_width // 2, new_height // 2), axes, 0, 0, 360, 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.2)[:, :, None]
        mixed = under * (1 - mask) + np.clip(light * local_background, 0, 255) * mask
        region[:] = np.clip(mixed, 0, 255).astype(np.uint8)
        box = np.array([[PLATELET, left + x0, top + y0, left + x1, top + y1]], np.float32)
        crop.boxes = np.vstack([crop.boxes, box])
        return


def _change_stain(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale and shift each stain's optical density (HED jitter, Tellez et al. 2019)."""
    density = -np.log(np.clip(light, 1 / 255, 1.0))
    amounts = density @ np.linalg.inv(STAIN_OPTICAL_DENSITY).astype(np.float32)
    gain = np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)
    shift = rng.normal(0, 0.02, 3).astype(np.float32)
    return np.exp(-((amounts * gain + shift) @ STAIN_OPTICAL_DENSITY))


def _shading(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Uneven light (height, width, 1): a slope and a fall-off towards the corners."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = rng.normal(0, 0.1, 2)
    fall = rng.uniform(0, 0.25)
    off_x, off_y = rng.uniform(-0.4, 0.4, 2)
    field = 1 + slope[0] * x + slope[1] * y - fall * ((x - off_x) ** 2 + (y - off_y) ** 2) / 2
    return np.clip(field, 0.4, 1.4)[:, :, None].astype(np.float32)


def colour(pixels: np.ndarray, rng: np.random.Generator, settings: AugmentSettings) -> np.ndarray:
    """Change stain, light, focus and sensor of a crop (h, w, 3) uint8, returning uint8."""
    light = pixels.astype(np.float32) / 255.0
    if rng.random() < settings.stain:
        light = _change_stain(light, rng)
    if rng.random() < settings.colour:
        gains = rng.uniform(0.8, 1.2, 3) * rng.uniform(0.75, 1.15)
        light = light * gains.astype(np.float32)
    if rng.random() < settings.shading:
        light = light * _shading(*light.shape[:2], rng)
    if rng.random() < settings.gamma:
        light = np.clip(light, 1e-4, None) ** np.float32(rng.uniform(0.7, 1.5))
    if rng.random() < settings.saturation:
        grey = light.mean(2, keepdims=True)
        light = grey + (light - grey) * np.float32(rng.uniform(0.3, 1.9))
    if rng.random() < settings.channel_mix:
        mix = np.eye(3) + rng.normal(0, 0.12, (3, 3))
        mix /= mix.sum(1, keepdims=True)
        light = light @ mix.T.astype(np.float32)
    if rng.random() < settings.blur:
        light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < settings.noise:
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        light = light + noise * np.float32(rng.uniform(0.005, 0.04))
    stored = (np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < settings.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))]
        stored = cv2.imdecode(cv2.imencode(".jpg", stored, quality)[1], cv2.IMREAD_COLOR)
    return stored


def random_crop(
    images: list[SmearImage],
    index: int,
    shares: np.ndarray,
    platelets: list[PlateletPatch],
    side_px: int,
    rng: np.random.Generator,
    settings: AugmentSettings,
) -> Crop:
    """Make one training crop from image `index` and, in a mosaic, three drawn by `shares`."""
    if rng.random() < settings.mosaic:
        others = rng.choice(len(images), 3, p=shares)
        crop = mosaic([images[i] for i in (index, *others)], side_px, rng, settings)
    else:
        crop = render(images[index], side_px, side_px, rng, settings, flush=0.4)
    if platelets and rng.random() < settings.platelet_paste:
        for _ in range(int(rng.integers(1, 4))):
            paste_platelet(crop, platelets[rng.integers(len(platelets))], rng, settings)
    crop.pixels = colour(crop.pixels, rng, settings)
    return crop
