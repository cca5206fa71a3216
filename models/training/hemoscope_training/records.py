"""Reads what is compared: annotated truth (COCO JSON) and counted frames (JSON lines).

Boxes are float64 arrays (n, 4) of x0, y0, x1, y1 in pixels of the untouched source image.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

CLASS_NAMES = ("RBC", "WBC", "PLT")
"""Classes in the order of the network's heat channels."""

UNCERTAIN = len(CLASS_NAMES)
"""Label of a cell that the program saw but would not name."""

LABELS = {name: index for index, name in enumerate((*CLASS_NAMES, "uncertain"))}
LABELS["none"] = LABELS["uncertain"]  # what the network says is none of the classes
CATEGORY_LABELS = {"RBC": 0, "WBC": 1, "PLT": 2, "Platelets": 2}


class RecordError(ValueError):
    """A file that cannot be read as what it should be; the text names file and place."""


@dataclass(frozen=True)
class TruthFrame:
    """The annotated cells of one image.

    Attributes:
        name: path below the data folder.
        width, height: size in pixels.
        source: microscope or collection.
        group: frames of one group show the same or overlapping fields.
        rbc_px: typical red cell diameter in pixels.
        border_ignore_px: cells whose centre lies in this margin are not scored.
        boxes: (n, 4).
        labels: (n,) indices into `CLASS_NAMES`.
    """

    name: str
    width: int
    height: int
    source: str
    group: int
    rbc_px: float
    border_ignore_px: float
    boxes: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class CountedFrame:
    """The cells that a program reported in one image, most confident first.

    Attributes:
        boxes: (n, 4).
        labels: (n,) indices into `CLASS_NAMES`, or `UNCERTAIN`.
        confidences: (n,) between 0 and 1.
        counted: (n,) whether the border rule let the cell be counted.
        um_per_px: the scale that the program used, if it says so.
    """

    boxes: np.ndarray
    labels: np.ndarray
    confidences: np.ndarray
    counted: np.ndarray
    um_per_px: float | None = None

    def keep(self, mask: np.ndarray) -> "CountedFrame":
        """Only the cells where `mask` (n,) is true, in the same order."""
        return CountedFrame(
            self.boxes[mask],
            self.labels[mask],
            self.confidences[mask],
            self.counted[mask],
            self.um_per_px,
        )


EMPTY_FRAME = CountedFrame(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), np.zeros(0, bool))


def centres(boxes: np.ndarray) -> np.ndarray:
    """Centres (n, 2) of boxes (n, 4)."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def points_inside(points: np.ndarray, truth: TruthFrame, margin_px: float) -> np.ndarray:
    """Say for each point (n, 2) whether it lies more than `margin_px` inside the frame."""
    x, y = points.T
    horizontally = (x > margin_px) & (x < truth.width - margin_px)
    return horizontally & (y > margin_px) & (y < truth.height - margin_px)


def load_truth(path: Path) -> list[TruthFrame]:
    """Read a COCO file; category names may be RBC, WBC, PLT or Platelets."""
    document = json.loads(path.read_text())
    label_of_category = {}
    for category in document["categories"]:
        if category["name"] not in CATEGORY_LABELS:
            known = ", ".join(CATEGORY_LABELS)
            raise RecordError(f"{path}: category '{category['name']}' is none of {known}")
        label_of_category[category["id"]] = CATEGORY_LABELS[category["name"]]
    rows: dict[int, list[tuple[int, list[float]]]] = {
        entry["id"]: [] for entry in document["images"]
    }
    for annotation in document["annotations"]:
        x, y, width, height = annotation["bbox"]
        label = label_of_category[annotation["category_id"]]
        rows[annotation["image_id"]].append((label, [x, y, x + width, y + height]))
    frames = [_truth_frame(entry, rows[entry["id"]]) for entry in document["images"]]
    _require_distinct_base_names(path, [frame.name for frame in frames])
    return frames


def _truth_frame(entry: dict[str, Any], rows: list[tuple[int, list[float]]]) -> TruthFrame:
    return TruthFrame(
        name=entry["file_name"],
        width=entry["width"],
        height=entry["height"],
        source=str(entry.get("source", "all")),
        group=int(entry.get("group", entry["id"])),
        rbc_px=float(entry.get("rbc_px", 0.0)),
        border_ignore_px=float(entry.get("border_ignore", 0.0)),
        boxes=np.array([box for _, box in rows], float).reshape(-1, 4),
        labels=np.array([label for label, _ in rows], int),
    )


def _require_distinct_base_names(path: Path, names: Iterable[str]) -> None:
    occurrences = Counter(PurePath(name).name for name in names)
    repeated = [name for name, times in occurrences.items() if times > 1]
    if repeated:
        raise RecordError(f"{path}: '{repeated[0]}' names two images; rename one of them")


def load_counted(path: Path) -> dict[str, CountedFrame]:
    """Read JSON lines as `hemoscope count --json` prints them, keyed by the image's base name."""
    return parse_counted(path.read_text().splitlines(), str(path))


def parse_counted(lines: Iterable[str], origin: str) -> dict[str, CountedFrame]:
    """Parse JSON lines; `origin` names them in error messages."""
    frames: dict[str, CountedFrame] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            name, frame = PurePath(record["image"]).name, _counted_frame(record)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"{origin}, line {number}: not a counted frame ({error})") from error
        if name in frames:
            raise RecordError(f"{origin}, line {number}: '{name}' stands there twice")
        frames[name] = frame
    return frames


def _counted_frame(record: dict[str, Any]) -> CountedFrame:
    cells: Sequence[dict[str, Any]] = record["cells"]
    boxes = np.array([cell["box"] for cell in cells], float).reshape(-1, 4)
    labels = np.array([_label(cell["class"]) for cell in cells], int)
    confidences = np.array([cell["confidence"] for cell in cells], float)
    counted = np.array([cell.get("counted", True) for cell in cells], bool)
    if not np.isfinite(boxes).all():
        raise ValueError("a box is not finite")
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError("a confidence is not between 0 and 1")
    by_class = np.lexsort((labels, -confidences))
    scale = record.get("um_per_px")
    frame = CountedFrame(boxes, labels, confidences, counted, None if scale is None else scale)
    return frame.keep(by_class)


def _label(name: str) -> int:
    if name not in LABELS:
        raise ValueError(f"class '{name}' is none of {', '.join(LABELS)}")
    return LABELS[name]


def counted_line(name: str, truth: TruthFrame, cells: CountedFrame) -> str:
    """Write one frame as the program would: one line of JSON."""
    labels = [*CLASS_NAMES, "uncertain"]
    record = {
        "image": name,
        "width": truth.width,
        "height": truth.height,
        "um_per_px": cells.um_per_px,
        "counts": {
            label: int((cells.counted & (cells.labels == index)).sum())
            for index, label in enumerate(labels)
        },
        "cells": [
            {
                "class": labels[label],
                "box": [round(float(value), 2) for value in box],
                "confidence": round(float(confidence), 4),
                "counted": bool(counted),
            }
            for box, label, confidence, counted in zip(
                cells.boxes, cells.labels, cells.confidences, cells.counted, strict=True
            )
        ],
    }
    return json.dumps(record)


@dataclass(frozen=True)
class FramePair:
    """One image with its truth and with what was reported there, both without ignored margins."""

    truth: TruthFrame
    counted: CountedFrame


def pair_frames(
    truths: Sequence[TruthFrame], counted: dict[str, CountedFrame]
) -> tuple[list[FramePair], list[str]]:
    """Join truth and report; an image without a report counts as empty and is named.

    Returns:
        The pairs in the order of `truths`, and the names of the images without a report.
    """
    pairs, missing = [], []
    for truth in truths:
        frame = counted.get(PurePath(truth.name).name)
        if frame is None:
            missing.append(truth.name)
            frame = EMPTY_FRAME
        pairs.append(_without_margin(truth, frame))
    return pairs, missing


def _without_margin(truth: TruthFrame, frame: CountedFrame) -> FramePair:
    if not truth.border_ignore_px:
        return FramePair(truth, frame)
    kept = points_inside(centres(truth.boxes), truth, truth.border_ignore_px)
    inner = frame.keep(points_inside(centres(frame.boxes), truth, truth.border_ignore_px))
    return FramePair(with_truth_boxes(truth, kept), inner)


def with_truth_boxes(truth: TruthFrame, mask: np.ndarray) -> TruthFrame:
    """Return the same frame with only the annotated cells where `mask` (n,) is true."""
    fields = {**vars(truth), "boxes": truth.boxes[mask], "labels": truth.labels[mask]}
    return TruthFrame(**fields)
