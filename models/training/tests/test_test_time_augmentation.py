import json

import cv2
import numpy as np
import pytest

from hemoscope_training.test_time_augmentation import turn_all


def test_boxes_turn_with_their_pixels(tmp_path):
    (tmp_path / "images").mkdir()
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[4:9, 31:48] = 200
    cv2.imwrite(str(tmp_path / "images/a.png"), pixels)
    image = {"id": 7, "file_name": "images/a.png", "width": 50, "height": 30, "group": 3}
    annotation = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [31, 4, 17, 5]}
    document = {"images": [image], "annotations": [annotation], "categories": []}
    (tmp_path / "dev.json").write_text(json.dumps(document))
    turn_all(tmp_path, "dev.json", tmp_path / "out")
    turned = json.loads((tmp_path / "out/dev.json").read_text())
    seen = set()
    for entry, of_it in zip(turned["images"], turned["annotations"], strict=True):
        frame = cv2.imread(str(tmp_path / "out" / entry["file_name"]))
        assert frame.shape[:2] == (entry["height"], entry["width"])
        assert (entry["id"], entry["group"]) == (of_it["image_id"], 3)
        x, y, width, height = of_it["bbox"]
        assert frame[y : y + height, x : x + width].min() == 200
        assert (frame > 0).sum() == 17 * 5 * 3
        seen.add((*frame.shape, x, y))
    assert len(seen) == 8


def test_a_frame_that_is_not_there_is_named(tmp_path):
    document = {"images": [{"id": 1, "file_name": "images/b.png"}], "annotations": []}
    (tmp_path / "dev.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="b.png cannot be read"):
        turn_all(tmp_path, "dev.json", tmp_path / "out")
