import numpy as np
import pytest
from build import counted, pair, truth

from hemoscope_training.scoring import (
    Candidates,
    average_precisions,
    collect_candidates,
    in_inner_frame,
    inner_pairs,
    iou_matrix,
    match,
    precision_recall,
    score,
    score_confusion,
    score_reliability,
    whole_centres,
)

LEFT = [10.0, 10.0, 30.0, 30.0]
NEAR_LEFT = [12.0, 10.0, 32.0, 30.0]
HALF_LEFT = [20.0, 10.0, 40.0, 30.0]
RIGHT = [60.0, 60.0, 80.0, 80.0]
EMPTY = [5.0, 70.0, 25.0, 90.0]


def test_intersection_over_union():
    cases = [
        ("the same box", LEFT, LEFT, 1.0),
        ("apart", LEFT, RIGHT, 0.0),
        ("half shifted", LEFT, HALF_LEFT, 1 / 3),
        ("shared edge only", LEFT, [30, 10, 50, 30], 0.0),
        ("within", LEFT, [15, 15, 25, 25], 0.25),
        ("both without area", [5, 5, 5, 5], [5, 5, 5, 5], 0.0),
    ]
    found = {
        name: iou_matrix(np.array([a], float), np.array([b], float)) for name, a, b, _ in cases
    }
    wrong = {
        name: (float(found[name][0, 0]), expected)
        for name, _, _, expected in cases
        if found[name][0, 0] != pytest.approx(expected)
    }
    assert not wrong


def test_a_more_confident_cell_takes_the_truth_first():
    boxes = np.array([NEAR_LEFT, LEFT, RIGHT])
    assert match(boxes, np.array([RIGHT, LEFT])).tolist() == [1, -1, 0]


def test_a_cell_takes_the_truth_that_it_overlaps_most():
    boxes = np.array([[12.0, 10, 32, 30]])
    annotated = np.array([LEFT, [13.0, 10, 33, 30]])
    assert match(boxes, annotated).tolist() == [1]


def test_matching_without_cells_or_without_truth():
    none = np.zeros((0, 4))
    assert match(none, np.array([LEFT])).tolist() == []
    assert match(np.array([LEFT]), none).tolist() == [-1]


def test_class_figures():
    frames = [
        pair(
            truth(("RBC", LEFT), ("RBC", RIGHT), group=1),
            counted(("RBC", NEAR_LEFT, 0.9), ("RBC", EMPTY, 0.8), ("RBC", HALF_LEFT, 0.7)),
        ),
        pair(
            truth(("RBC", LEFT), ("WBC", RIGHT), name="b.png", group=2),
            counted(("RBC", LEFT, 0.9), ("uncertain", RIGHT, 0.4)),
        ),
    ]
    classes = score(frames).classes
    assert set(classes) == {"RBC", "WBC"}
    red = classes["RBC"]
    assert (red.truth, red.reported) == (3, 4)
    assert red.precision == pytest.approx(2 / 4)
    assert red.recall == pytest.approx(2 / 3)
    assert red.f1.value == pytest.approx(4 / 7)
    assert red.count_accuracy_per_frame.value == pytest.approx((0.5 + 1) / 2)
    assert red.count_error_mean == pytest.approx(0.5)
    assert red.total_error.value == pytest.approx(1 / 3)
    assert red.f1.low <= red.f1.value <= red.f1.high
    white = classes["WBC"]
    assert (white.reported, white.f1.value) == (0, 0)
    assert white.count_accuracy_per_frame.value == 0


def test_count_accuracy_is_never_below_zero():
    boxes = [("RBC", [10.0 * n, 0.0, 10.0 * n + 9, 9.0], 0.9) for n in range(4)]
    frames = [pair(truth(("RBC", LEFT)), counted(*boxes))]
    assert score(frames).classes["RBC"].count_accuracy_per_frame.value == 0


def test_confusion_tells_wrong_uncertain_and_missed_cells_apart():
    frames = [
        pair(
            truth(
                ("RBC", LEFT), ("WBC", RIGHT), ("PLT", [40, 40, 48, 48]), ("PLT", [90, 0, 98, 8])
            ),
            counted(
                ("RBC", LEFT, 0.9),
                ("RBC", RIGHT, 0.8),
                ("RBC", EMPTY, 0.7),
                ("uncertain", [40, 40, 48, 48], 0.4),
                ("uncertain", NEAR_LEFT, 0.3),
            ),
        )
    ]
    confusion = score_confusion(frames)
    assert confusion.matrix == [
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 1, 1],
        [1, 0, 0, 1, 0],
    ]
    assert confusion.accuracy == pytest.approx(1 / 2)
    assert confusion.macro_f1 == pytest.approx((2 / 3 + 0 + 0) / 3)


def test_perfect_cells_have_full_average_precision():
    frames = [
        pair(truth(("RBC", LEFT), ("PLT", RIGHT)), counted(("RBC", LEFT, 0.9), ("PLT", RIGHT, 0.2)))
    ]
    assert average_precisions(frames) == {
        "RBC": pytest.approx((1.0, 1.0)),
        "PLT": pytest.approx((1.0, 1.0)),
    }
    assert score(frames, frames).map50 == pytest.approx(1.0)


def test_average_precision_falls_with_a_confident_false_cell():
    # At recall 0.5 precision is 1/2, at recall 1 it is 2/3: COCO's envelope is 2/3 throughout.
    frames = [
        pair(
            truth(("RBC", LEFT), ("RBC", RIGHT)),
            counted(("RBC", EMPTY, 0.9), ("RBC", LEFT, 0.8), ("RBC", RIGHT, 0.7)),
        )
    ]
    assert average_precisions(frames)["RBC"][0] == pytest.approx(2 / 3)


def test_average_precision_without_any_reported_cell_is_zero():
    assert average_precisions([pair(truth(("RBC", LEFT)), counted())]) == {"RBC": (0.0, 0.0)}


def test_only_counted_cells_and_inner_truth_make_the_inner_frame():
    border = [0.0, 0.0, 8.0, 20.0]
    frames = [
        pair(
            truth(("RBC", border), ("RBC", RIGHT)),
            counted(("RBC", border, 0.9), ("RBC", RIGHT, 0.8), outside=(0,)),
        )
    ]
    inner = inner_pairs(frames)[0]
    assert inner.truth.boxes.tolist() == [RIGHT]
    assert inner.counted.boxes.tolist() == [RIGHT]
    assert score(frames).inner_classes["RBC"].f1.value == 1


def test_cut_cells_are_placed_where_their_whole_would_be():
    frame = truth(rbc_px=20.0)
    cases = [
        ("uncut", [30, 40, 50, 60], [40, 50], True),
        ("half out to the left", [0, 40, 10, 60], [0, 50], False),
        ("a quarter out to the left", [0, 40, 15, 60], [5, 50], False),
        ("less than a quarter out", [0, 40, 16, 60], [6, 50], True),
        ("half out to the right", [90, 40, 100, 60], [100, 50], False),
        ("half out below", [40, 90, 60, 100], [50, 100], False),
        ("nearly touching the edge", [1, 40, 13, 60], [3, 50], False),
        ("apart from the edge", [1.1, 40, 13.1, 60], [7.1, 50], True),
        ("from edge to edge", [0, 40, 100, 60], [50, 50], True),
    ]
    wrong = {}
    for name, box, centre, counts in cases:
        boxes = np.array([box], float)
        found = whole_centres(boxes, frame)[0].tolist(), bool(in_inner_frame(boxes, frame)[0])
        if found != (pytest.approx(centre), counts):
            wrong[name] = found
    assert not wrong


def test_precision_and_recall_follow_falling_confidence():
    frames = [
        pair(truth(("RBC", LEFT)), counted(("RBC", LEFT, 0.6))),
        pair(truth(("RBC", RIGHT), name="b.png"), counted(("RBC", EMPTY, 0.9))),
    ]
    candidates = collect_candidates(frames, 0)
    assert candidates.confidences.tolist() == [0.9, 0.6]
    assert candidates.frames.tolist() == [1, 0]
    precision, recall = precision_recall(candidates)
    assert precision.tolist() == [0, 0.5]
    assert recall.tolist() == [0, 0.5]


def test_reliability_weighs_bins_by_their_cells():
    # The last one is too weak to be weighed.
    right = np.array([1, 1, 0, 0, 1], bool)
    confidences = np.array([1.0, 0.95, 0.95, 0.25, 0.04])
    candidates = Candidates(confidences, right, 3, np.zeros(5, int))
    reliability = score_reliability([candidates])
    assert reliability.cells.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 3]
    high_gap = abs((1 + 0.95 + 0.95) / 3 - 2 / 3)
    assert reliability.calibration_error == pytest.approx((3 * high_gap + 0.25) / 4)
    assert np.isnan(reliability.accuracy[0])


def test_figures_agree_with_an_independent_count_on_perturbed_truth():
    """Recount one frame with many cells by a plain search over all pairs."""
    generator = np.random.default_rng(5)
    corner = generator.uniform(0, 80, (30, 2))
    boxes = np.hstack([corner, corner + generator.uniform(8, 20, (30, 2))])
    moved = boxes + generator.normal(0, 2, boxes.shape)
    confidences = np.sort(generator.uniform(0, 1, 30))[::-1]
    order = generator.permutation(30)
    annotated = truth(*[("RBC", list(box)) for box in boxes])
    reported = counted(
        *[("RBC", list(moved[row]), c) for row, c in zip(order, confidences, strict=True)]
    )
    free, right = set(range(30)), 0
    for box in reported.boxes:
        overlap = {n: iou_matrix(box[None], boxes[n][None])[0, 0] for n in free}
        best = max(overlap, key=overlap.get, default=None)
        if best is not None and overlap[best] >= 0.5:
            free.remove(best)
            right += 1
    assert 0 < right < 30
    assert score([pair(annotated, reported)]).classes["RBC"].f1.value == pytest.approx(right / 30)
