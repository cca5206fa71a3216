"""Two runs over frames made from a seed."""

import numpy as np
import pytest
from build import counted, pair, truth

from hemoscope_training.comparison import Counted, average_precision, compare, table
from hemoscope_training.records import FramePair
from hemoscope_training.scoring import average_precisions, collect_candidates, tally


def frames(seed: int, blur_px: float, number: int = 12) -> list[FramePair]:
    """Frames with the same annotated cells for every seed, found with errors of `blur_px`."""
    place, error = np.random.default_rng(3), np.random.default_rng(seed)
    pairs = []
    for index in range(number):
        corner = place.uniform(0, 80, (8, 2))
        boxes = np.hstack([corner, corner + 15.0])
        moved = boxes + error.normal(0, blur_px, boxes.shape)
        confidences = np.sort(error.uniform(0, 1, 8))[::-1]
        labels = ["RBC"] * 7 + ["PLT"]
        cells = zip(labels, moved, confidences, strict=True)
        pairs.append(
            pair(
                truth(
                    *zip(labels, map(list, boxes), strict=True), name=f"{index}.png", group=index
                ),
                counted(*((label, list(box), float(sure)) for label, box, sure in cells)),
            )
        )
    return pairs


@pytest.mark.parametrize("blur_px", [0.0, 1.5, 3.0])
def test_average_precision_is_that_of_coco_for_frames_drawn_twice_too(blur_px):
    pairs = frames(1, blur_px)
    candidates, annotated = collect_candidates(pairs, 0), tally(pairs, 0).truth
    for rows in (np.arange(12), np.array([0, 0, 3, 7, 7, 7])):
        expected, _ = average_precisions([pairs[row] for row in rows])["RBC"]
        found = average_precision(candidates, annotated, rows)
        # Where frames repeat, cells that are equally sure come in another order.
        assert found == pytest.approx(expected, abs=0.02 if len(rows) < 12 else 1e-9)


def test_average_precision_of_frames_without_the_class_is_unknown():
    pairs = frames(1, 1.0)
    assert np.isnan(average_precision(collect_candidates(pairs, 1), tally(pairs, 1).truth, [0, 1]))


def test_a_run_differs_from_a_worse_one_and_not_from_itself():
    good, bad = (Counted(pairs, pairs) for pairs in (frames(1, 1.0), frames(2, 3.0)))
    assert not any(item.is_plain for item in compare(good, good))
    differences = {item.name: item for item in compare(good, bad)}
    assert "F1 WBC" not in differences
    for name in ("mAP50", "AP50 RBC", "F1 RBC"):
        item = differences[name]
        assert item.is_plain and item.low < item.second - item.first < item.high < 0
    assert differences["total RBC"].first == 0
    assert "| F1 RBC |" in table(list(differences.values())) and "differs" in table([item])


def test_runs_over_other_frames_are_refused():
    pairs = frames(1, 1.0)
    with pytest.raises(ValueError, match="other frames"):
        compare(Counted(pairs, pairs), Counted(pairs[1:], pairs[1:]))
