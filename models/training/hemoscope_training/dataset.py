"""Annotated smear images from COCO JSON, held in memory at the scale training needs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from hemoscope_training.network import CLASS_NAMES, RBC_DIAMETER_PX

CACHE_RBC_DIAMETER_PX = RBC_DIAMETER_PX * 1.3
"""Images are kept at this cell size: enough detail for the largest enlargement in training."""

BACKGROUND_PERCENTILE = 85
"""Bright enough to be the empty slide, below glare; the device pads frames with the same."""


@dataclass
class SmearImage:
    """One annotated image.

    Attributes:
        name: file name relative to the data folder.
        source: which microscope or collection it comes from.
        group: images of one group show the same or overlapping fields.
        pixels: uint8 (height, width, 3), red green blue.
        rbc_diameter_px: typical red cell diameter in `pixels`.
        boxes: float32 (n, 5): class index, x0, y0, x1, y1 in `pixels`.
        background: float32 (3,), the empty slide's colour.
        partial: whether red cells may be unlabelled, so that their absence teaches nothing.
    """

    name: str
    source: str
    group: int
    pixels: np.ndarray
    rbc_diameter_px: float
    boxes: np.ndarray
    background: np.ndarray
    partial: bool


def read_annotations(path: Path) -> tuple[list[dict], dict[int, np.ndarray]]:
    """Read a COCO file: its image entries, and for each image id the boxes (n, 5)."""
    document = json.loads(path.read_text())
    rows: dict[int, list[list[float]]] = {entry["id"]: [] for entry in document["images"]}
    for annotation in document["annotations"]:
        x, y, width, height = annotation["bbox"]
        class_index = annotation["category_id"] - 1
        if not 0 <= class_index < len(CLASS_NAMES):
            raise ValueError(f"{path}: category {class_index + 1} is not one of {CLASS_NAMES}")
        rows[annotation["image_id"]].append([class_index, x, y, x + width, y + height])
    boxes = {key: np.array(value, np.float32).reshape(-1, 5) for key, value in rows.items()}
    return document["images"], boxes


def background_colour(pixels: np.ndarray) -> np.ndarray:
    """Estimate the empty slide's colour (3,) of an image (height, width, 3)."""
    return np.percentile(pixels.reshape(-1, 3), BACKGROUND_PERCENTILE, axis=0).astype(np.float32)


def load_images(
    root: Path, annotations: str, partial: bool = False, leave_out: Sequence[str] = ()
) -> list[SmearImage]:
    """Load every image of a COCO file below `root`, leaving out the named sources."""
    entries, boxes = read_annotations(root / annotations)
    images = []
    for entry in tqdm(entries, desc=f"loading {annotations}", unit="image"):
        if entry["source"] in leave_out:
            continue
        stored = cv2.imread(str(root / entry["file_name"]), cv2.IMREAD_COLOR)
        if stored is None:
            raise FileNotFoundError(f"{root / entry['file_name']}: not a readable image")
        pixels = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
        scale = min(1.0, CACHE_RBC_DIAMETER_PX / entry["rbc_px"])
        if scale < 1.0:
            pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        scaled_boxes = boxes[entry["id"]].copy()
        scaled_boxes[:, 1:] *= scale
        images.append(
            SmearImage(
                name=entry["file_name"],
                source=entry["source"],
                group=entry["group"],
                pixels=pixels,
                rbc_diameter_px=entry["rbc_px"] * scale,
                boxes=scaled_boxes,
                background=background_colour(pixels),
                partial=partial,
            )
        )
    return images


def grouped_folds(
    images: Sequence[SmearImage], folds: int, seed: int
) -> list[tuple[list[SmearImage], list[SmearImage]]]:
    """Split into (train, held-out) pairs so that no group stands on both sides."""
    groups = sorted({image.group for image in images})
    np.random.default_rng(seed).shuffle(groups)
    fold_of_group = {group: index % folds for index, group in enumerate(groups)}
    splits = []
    for fold in range(folds):
        kept = [image for image in images if fold_of_group[image.group] != fold]
        held_out = [image for image in images if fold_of_group[image.group] == fold]
        splits.append((kept, held_out))
    return splits
