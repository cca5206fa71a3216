import json

import pytest
from build import counted, truth

from hemoscope_training.records import (
    RecordError,
    counted_line,
    load_truth,
    pair_frames,
    parse_counted,
)

CELL = {"class": "RBC", "box": [1, 2, 3, 4], "confidence": 0.5, "counted": False}


def line(**changes) -> str:
    return json.dumps({"image": "images/a.png", "cells": [CELL], **changes})


def coco(tmp_path, **changes):
    document = {
        "images": [{"id": 7, "file_name": "images/a.png", "width": 50, "height": 40, "rbc_px": 20}],
        "annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 20]}],
        "categories": [{"id": 1, "name": "RBC"}, {"id": 3, "name": "Platelets"}],
        **changes,
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(document))
    return path


def test_truth_turns_sizes_into_corners_and_names_into_labels(tmp_path):
    (frame,) = load_truth(coco(tmp_path))
    assert frame.boxes.tolist() == [[1, 2, 11, 22]]
    assert frame.labels.tolist() == [2]
    assert (frame.source, frame.group, frame.rbc_px) == ("all", 7, 20)


def test_an_unknown_category_is_named(tmp_path):
    with pytest.raises(RecordError, match="'Blast' is none of RBC, WBC"):
        load_truth(coco(tmp_path, categories=[{"id": 3, "name": "Blast"}]))


def test_two_images_of_one_base_name_are_refused(tmp_path):
    images = [
        {"id": 7, "file_name": "x/a.png", "width": 5, "height": 4},
        {"id": 8, "file_name": "y/a.png", "width": 5, "height": 4},
    ]
    with pytest.raises(RecordError, match=r"'a\.png' names two images"):
        load_truth(coco(tmp_path, images=images))


def test_bad_lines_say_where_and_what():
    cases = [
        ("no JSON", "counted", "line 1: not a counted frame"),
        ("no cells", json.dumps({"image": "a.png"}), "'cells'"),
        ("unknown class", line(cells=[{**CELL, "class": "Blast"}]), "class 'Blast' is none of RBC"),
        ("confidence too high", line(cells=[{**CELL, "confidence": 1.5}]), "not between 0 and 1"),
        ("box not finite", line(cells=[{**CELL, "box": [0, 0, float("nan"), 1]}]), "not finite"),
        ("an image twice", f"{line()}\n{line()}", "line 2: 'a.png' stands there twice"),
    ]
    wrong = {}
    for name, text, expected in cases:
        try:
            parse_counted(text.splitlines(), "cells.jsonl")
            wrong[name] = "accepted"
        except RecordError as error:
            if expected not in str(error):
                wrong[name] = str(error)
    assert not wrong


def test_cells_are_ordered_by_confidence():
    cells = [{**CELL, "confidence": c} for c in (0.2, 0.9, 0.5)]
    frame = parse_counted([line(cells=cells)], "x")["a.png"]
    assert frame.confidences.tolist() == [0.9, 0.5, 0.2]
    assert not frame.counted.any()


def test_a_written_line_reads_back():
    frame = counted(("WBC", [1.0, 2.0, 3.0, 4.5], 0.75), ("uncertain", [0, 0, 9, 9], 0.5))
    text = counted_line("images/a.png", truth(), frame)
    back = parse_counted([text], "x")["a.png"]
    assert back.boxes.tolist() == frame.boxes.tolist()
    assert back.labels.tolist() == frame.labels.tolist()
    assert json.loads(text)["counts"] == {"RBC": 0, "WBC": 1, "PLT": 0, "uncertain": 1}


def test_a_frame_without_a_report_counts_as_empty_and_is_named():
    pairs, missing = pair_frames([truth(("RBC", [0, 0, 5, 5]))], {})
    assert missing == ["a.png"]
    assert len(pairs[0].counted.boxes) == 0


def test_cells_in_an_ignored_margin_are_left_out_on_both_sides():
    annotated = truth(("RBC", [0, 0, 8, 8]), ("RBC", [40, 40, 60, 60]), border_ignore_px=10)
    reported = counted(("RBC", [40, 40, 60, 60], 0.9), ("RBC", [0, 0, 8, 8], 0.8))
    pairs, _ = pair_frames([annotated], {"a.png": reported})
    assert pairs[0].truth.boxes.tolist() == [[40, 40, 60, 60]]
    assert pairs[0].counted.boxes.tolist() == [[40, 40, 60, 60]]
