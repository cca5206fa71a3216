"""Scores reported cells against annotated ones.

A reported cell is right when it overlaps an annotated one by an intersection over union of at
least 0.5. Cells are matched greedily, most confident first, each to the free annotated cell that
it overlaps most; uncertain cells are predictions of no class.

Figures:
- AP50, AP50-95: average precision as COCO defines it, up to 500 cells a frame (pycocotools).
- Precision, recall, F1: within each class.
- Count accuracy per frame: the mean of 1 - |reported - true| / true, not below 0, over the frames
  that hold the class.
- Total error: (reported - true) / true over all frames; splits and merges cancel in it.
- Class accuracy and macro-F1: over cells matched without regard to class.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hemoscope_training.records import (
    CLASS_NAMES,
    UNCERTAIN,
    FramePair,
    TruthFrame,
    points_inside,
    with_truth_boxes,
)

IOU_MIN = 0.5
CELLS_MAX = 500
BOOTSTRAP_ROUNDS = 1000
BOOTSTRAP_SEED = 20250101
MISSED = UNCERTAIN + 1
"""Column of the confusion matrix for annotated cells that nothing matched."""


def iou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_first = (first[:, 2:] - first[:, :2]).prod(axis=1)
    area_second = (second[:, 2:] - second[:, :2]).prod(axis=1)
    union = area_first[:, None] + area_second[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Match boxes (n, 4), most confident first, to annotated boxes (m, 4).

    Returns:
        (n,) index of the annotated box, or -1.
    """
    matched = np.full(len(boxes), -1)
    if not len(boxes) or not len(truth):
        return matched
    overlap = iou_matrix(boxes, truth)
    for row in range(len(boxes)):
        column = int(overlap[row].argmax())
        if overlap[row, column] >= IOU_MIN:
            matched[row] = column
            overlap[:, column] = 0.0
    return matched


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval over groups of frames."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScore:
    """How well one class was found and counted; fractions, not percent."""

    truth: int
    reported: int
    precision: float
    recall: float
    f1: Interval
    count_accuracy_per_frame: Interval
    count_error_mean: float
    """Mean of |reported - true| in cells a frame."""
    total_error: Interval
    ap50: float | None = None
    ap50_95: float | None = None


@dataclass(frozen=True)
class Confusion:
    """Which class the matched cells were given.

    Attributes:
        matrix: rows RBC, WBC, PLT, no cell; columns RBC, WBC, PLT, uncertain, missed.
        accuracy, macro_f1: over cells matched by a named cell.
    """

    matrix: list[list[int]]
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Scores:
    """Every figure of one run; classes without an annotated cell are left out."""

    frames: int
    frames_missing: int
    classes: dict[str, ClassScore]
    inner_classes: dict[str, ClassScore]
    """Only cells that the border rule counts, reported and annotated."""
    confusion: Confusion
    map50: float | None = None


@dataclass(frozen=True)
class FrameTallies:
    """For one class and each of n frames: matched, reported and annotated cells, all (n,)."""

    matched: np.ndarray
    reported: np.ndarray
    truth: np.ndarray

    def take(self, rows: np.ndarray) -> "FrameTallies":
        """The tallies of the frames `rows`, which may repeat."""
        return FrameTallies(self.matched[rows], self.reported[rows], self.truth[rows])


def tally(pairs: Sequence[FramePair], label: int) -> FrameTallies:
    """Count matched, reported and annotated cells of one class in every frame."""
    rows = []
    for pair in pairs:
        reported = pair.counted.boxes[pair.counted.labels == label]
        truth = pair.truth.boxes[pair.truth.labels == label]
        rows.append(((match(reported, truth) >= 0).sum(), len(reported), len(truth)))
    return FrameTallies(*np.array(rows, int).reshape(-1, 3).T)


def f1(tallies: FrameTallies) -> float:
    """F1 over all frames; 0 where nothing is reported nor annotated."""
    return 2 * tallies.matched.sum() / max(1, tallies.reported.sum() + tallies.truth.sum())


def count_accuracy_per_frame(tallies: FrameTallies) -> float:
    """Mean count accuracy of the frames that hold the class; NaN without such a frame."""
    held = tallies.truth > 0
    if not held.any():
        return float("nan")
    error = np.abs(tallies.reported - tallies.truth)[held] / tallies.truth[held]
    return float(np.clip(1 - error, 0, 1).mean())


def total_error(tallies: FrameTallies) -> float:
    """Signed relative error of the total count."""
    truth = tallies.truth.sum()
    return float((tallies.reported.sum() - truth) / max(1, truth))


def bootstrap_rows(groups: Sequence[int]) -> list[np.ndarray]:
    """Draw groups of frames with replacement; each round gives indices of frames."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    frames_of_group = [np.array(frames) for frames in members.values()]
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    draws = generator.integers(len(members), size=(BOOTSTRAP_ROUNDS, len(members)))
    return [np.concatenate([frames_of_group[group] for group in draw]) for draw in draws]


def _with_interval(figure, tallies: FrameTallies, rounds: Sequence[np.ndarray]) -> Interval:
    drawn = np.array([figure(tallies.take(rows)) for rows in rounds])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Interval(float(figure(tallies)), float(low), float(high))


def score_classes(
    pairs: Sequence[FramePair], precisions: dict[str, tuple[float, float]] | None = None
) -> dict[str, ClassScore]:
    """Score every class with at least one annotated cell.

    Args:
        pairs: the frames.
        precisions: AP50 and AP50-95 of each class, where they are known.
    """
    rounds = bootstrap_rows([pair.truth.group for pair in pairs])
    result = {}
    for label, name in enumerate(CLASS_NAMES):
        tallies = tally(pairs, label)
        if not tallies.truth.sum():
            continue
        ap50, ap50_95 = (precisions or {}).get(name, (None, None))
        result[name] = ClassScore(
            truth=int(tallies.truth.sum()),
            reported=int(tallies.reported.sum()),
            precision=float(tallies.matched.sum() / max(1, tallies.reported.sum())),
            recall=float(tallies.matched.sum() / tallies.truth.sum()),
            f1=_with_interval(f1, tallies, rounds),
            count_accuracy_per_frame=_with_interval(count_accuracy_per_frame, tallies, rounds),
            count_error_mean=float(np.abs(tallies.reported - tallies.truth).mean()),
            total_error=_with_interval(total_error, tallies, rounds),
            ap50=ap50,
            ap50_95=ap50_95,
        )
    return result


INNER_MARGIN_DIAMETERS = 0.25
"""A cell counts when its centre lies this many red cell diameters inside the frame."""

TOUCH_DIAMETERS = 1 / 25
"""A box this close to the frame's edge, and at least one pixel, belongs to a cut cell."""


def whole_centres(boxes: np.ndarray, truth: TruthFrame) -> np.ndarray:
    """Centres (n, 2) of the whole cells of which boxes (n, 4) show the visible part.

    Where a box touches one of two opposite edges, the cell is taken to be as wide as it is high,
    or as high as wide, reaching out of the frame: the device's default border rule.
    """
    tolerance_px = max(1.0, truth.rbc_px * TOUCH_DIAMETERS)
    low, high = boxes[:, :2], boxes[:, 2:]
    size = (high - low).max(axis=1, keepdims=True)
    touches_low = low <= tolerance_px
    touches_high = high >= np.array([truth.width, truth.height]) - tolerance_px
    centre = (low + high) / 2
    centre = np.where(touches_low & ~touches_high, high - size / 2, centre)
    return np.where(touches_high & ~touches_low, low + size / 2, centre)


def in_inner_frame(boxes: np.ndarray, truth: TruthFrame) -> np.ndarray:
    """Say for each box (n, 4) whether the device's default border rule counts the cell."""
    return points_inside(whole_centres(boxes, truth), truth, truth.rbc_px * INNER_MARGIN_DIAMETERS)


def inner_pairs(pairs: Sequence[FramePair]) -> list[FramePair]:
    """Keep the cells that count: as reported, and by the same border rule as annotated."""
    return [
        FramePair(
            with_truth_boxes(pair.truth, in_inner_frame(pair.truth.boxes, pair.truth)),
            pair.counted.keep(pair.counted.counted),
        )
        for pair in pairs
    ]


def average_precisions(pairs: Sequence[FramePair]) -> dict[str, tuple[float, float]]:
    """AP50 and AP50-95 of every class with an annotated cell.

    The frames should hold every candidate, not only those above the reporting thresholds.
    """
    images, annotations, detections = [], [], []
    for image_id, pair in enumerate(pairs, 1):
        size = {"width": pair.truth.width, "height": pair.truth.height}
        images.append({"id": image_id, **size})
        for box, label in zip(pair.truth.boxes, pair.truth.labels, strict=True):
            entry = _coco_entry(image_id, box, int(label))
            annotations.append({"id": len(annotations) + 1, "iscrowd": 0, **entry})
        for index in np.flatnonzero(pair.counted.labels < UNCERTAIN):
            entry = _coco_entry(
                image_id, pair.counted.boxes[index], int(pair.counted.labels[index])
            )
            detections.append({**entry, "score": float(pair.counted.confidences[index])})
    annotated = sorted({entry["category_id"] for entry in annotations})
    if not detections:
        return {CLASS_NAMES[category - 1]: (0.0, 0.0) for category in annotated}
    precision = _coco_precision(images, annotations, detections)
    return {
        CLASS_NAMES[category - 1]: (
            _mean_precision(precision[0, :, category - 1]),
            _mean_precision(precision[:, :, category - 1]),
        )
        for category in annotated
    }


def _coco_entry(image_id: int, box: np.ndarray, label: int) -> dict:
    x0, y0, x1, y1 = (float(value) for value in box)
    width, height = x1 - x0, y1 - y0
    return {
        "image_id": image_id,
        "category_id": label + 1,
        "bbox": [x0, y0, width, height],
        "area": width * height,
    }


def _coco_precision(images: list, annotations: list, detections: list) -> np.ndarray:
    """Precision (IoU thresholds, recalls, classes) over all areas, up to `CELLS_MAX` cells."""
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(CLASS_NAMES)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": annotations, "categories": categories}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
        evaluation.params.maxDets = [1, 100, CELLS_MAX]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1]


def _mean_precision(precision: np.ndarray) -> float:
    defined = precision[precision > -1]
    return float(defined.mean()) if len(defined) else 0.0


def score_confusion(pairs: Sequence[FramePair]) -> Confusion:
    """Match named cells without regard to class, then uncertain ones to what is left."""
    matrix = np.zeros((len(CLASS_NAMES) + 1, MISSED + 1), int)
    for pair in pairs:
        _add_confusion(matrix, pair)
    named = matrix[: len(CLASS_NAMES), : len(CLASS_NAMES)]
    annotated = [pair.truth.labels for pair in pairs]
    present = np.unique(np.concatenate(annotated)) if annotated else np.zeros(0, int)
    right = np.diag(named)
    either = np.maximum(1, named.sum(axis=0) + named.sum(axis=1))
    class_f1 = (2 * right / either)[present]
    return Confusion(
        matrix=matrix.tolist(),
        accuracy=float(right.sum() / max(1, named.sum())),
        macro_f1=float(class_f1.mean()) if len(class_f1) else 0.0,
    )


def _add_confusion(matrix: np.ndarray, pair: FramePair) -> None:
    no_cell = len(CLASS_NAMES)
    free = np.ones(len(pair.truth.boxes), bool)
    for selected in (pair.counted.labels < UNCERTAIN, pair.counted.labels == UNCERTAIN):
        cells = pair.counted.keep(selected)
        candidates = np.flatnonzero(free)
        matched = match(cells.boxes, pair.truth.boxes[candidates])
        for label, column in zip(cells.labels, matched, strict=True):
            row = no_cell if column < 0 else pair.truth.labels[candidates[column]]
            matrix[row, label] += 1
        free[candidates[matched[matched >= 0]]] = False
    for label in pair.truth.labels[free]:
        matrix[label, MISSED] += 1


@dataclass(frozen=True)
class Candidates:
    """Every reported cell of one class over all frames, most confident first.

    Attributes:
        confidences: (n,).
        right: (n,) whether the cell matched an annotated one of the class.
        truth: number of annotated cells.
        frames: (n,) number of the frame that it is in.
    """

    confidences: np.ndarray
    right: np.ndarray
    truth: int
    frames: np.ndarray


def collect_candidates(pairs: Sequence[FramePair], label: int) -> Candidates:
    """Match one class in every frame and pool the result.

    Matching goes by falling confidence, so the cells above any threshold keep their match.
    """
    confidences, right, frames = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, int)]
    truth = 0
    for frame, pair in enumerate(pairs):
        cells = pair.counted.keep(pair.counted.labels == label)
        boxes = pair.truth.boxes[pair.truth.labels == label]
        confidences.append(cells.confidences)
        right.append(match(cells.boxes, boxes) >= 0)
        frames.append(np.full(len(cells.boxes), frame))
        truth += len(boxes)
    pooled = np.concatenate(confidences)
    order = np.argsort(-pooled, kind="stable")
    return Candidates(
        pooled[order], np.concatenate(right)[order], truth, np.concatenate(frames)[order]
    )


@dataclass(frozen=True)
class Reliability:
    """How often cells of a confidence are right.

    Attributes:
        edges: (bins + 1,) confidence.
        cells: (bins,) number of cells.
        confidence, accuracy: (bins,) means; NaN in an empty bin.
        calibration_error: expected calibration error, weighted by cells.
    """

    edges: np.ndarray
    cells: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    calibration_error: float


RELIABILITY_CONFIDENCE_MIN = 0.05
"""Weaker candidates, most of all, are wrong and said to be: they would only dilute the error."""


def score_reliability(candidates: Sequence[Candidates], bins: int = 10) -> Reliability:
    """Bin the cells of one or more classes by confidence, in `bins` bins of equal width."""
    confidences = np.concatenate([item.confidences for item in candidates])
    right = np.concatenate([item.right for item in candidates])
    is_weighed = confidences >= RELIABILITY_CONFIDENCE_MIN
    confidences, right = confidences[is_weighed], right[is_weighed]
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip((confidences * bins).astype(int), 0, bins - 1)
    cells = np.bincount(place, minlength=bins)
    divisor = np.where(cells > 0, cells, np.nan)
    confidence = np.bincount(place, confidences, bins) / divisor
    accuracy = np.bincount(place, right, bins) / divisor
    gaps = np.nan_to_num(np.abs(confidence - accuracy))
    error = float((gaps * cells).sum() / max(1, cells.sum()))
    return Reliability(edges, cells, confidence, accuracy, error)


def precision_recall(candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall (n,) after each further cell, most confident first."""
    right = np.cumsum(candidates.right)
    reported = np.arange(1, len(right) + 1)
    return right / reported, right / max(1, candidates.truth)


def score(
    pairs: Sequence[FramePair],
    all_pairs: Sequence[FramePair] | None = None,
    frames_missing: int = 0,
) -> Scores:
    """Score a run.

    Args:
        pairs: frames with the cells that the program reports.
        all_pairs: the same frames with every candidate, for average precision; without them the
            figures of average precision are left out.
        frames_missing: how many frames have no report.
    """
    precisions = None if all_pairs is None else average_precisions(all_pairs)
    map50 = None
    if precisions:
        map50 = float(np.mean([ap50 for ap50, _ in precisions.values()]))
    return Scores(
        frames=len(pairs),
        frames_missing=frames_missing,
        classes=score_classes(pairs, precisions),
        inner_classes=score_classes(inner_pairs(pairs)),
        confusion=score_confusion(pairs),
        map50=map50,
    )
