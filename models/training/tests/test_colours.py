import json
import tomllib

import numpy as np
import pytest
from build import truth

from hemoscope_training.colours import (
    FrameColours,
    cloud,
    distance,
    manifest_entries,
    read_colours,
)
from hemoscope_training.manifest import manifest_text


def line(image: str, red: list[int] | None, white: list[int] | None) -> str:
    return json.dumps({"image": image, "colours": {"red_cells": red, "white_cells": white}})


def test_frames_without_red_cells_say_nothing():
    truths = [truth(name="images/a.png", source="one"), truth(name="images/b.png", source="two")]
    lines = [line("/data/images/a.png", [700, 600, 300], None), line("b.png", None, [1, 2, 3])]
    frames = read_colours(lines, truths)
    assert [(frame.source, frame.white) for frame in frames] == [("one", None)]


def test_every_source_has_the_same_weight():
    rng = np.random.default_rng(1)
    few, many = rng.normal(500, 30, (40, 2)), rng.normal(700, 30, (400, 2))
    found = cloud([few, many])
    assert found["mean_permille"] == pytest.approx([600, 600], abs=8)
    inverse = np.array(found["inverse_e9"]) / 1e9
    assert (inverse == inverse.T).all()
    # Two sources, each a hundred off the middle: as far as one standard deviation of the whole.
    off = np.array([100, 100])
    assert off @ inverse @ off == pytest.approx(1, abs=0.1)


def test_the_manifest_keeps_the_table_through_a_rewrite():
    rng = np.random.default_rng(2)
    rows = rng.normal(600, 50, (20, 6))
    frames = [FrameColours("one", row[:3], row[3:]) for row in rows]
    entries = {"format": 1, "colour": manifest_entries(frames), "metrics": {"a": 1.5}}
    assert tomllib.loads(manifest_text(entries)) == entries


def test_the_distance_is_that_of_the_median_frame_once_there_are_five():
    table = {
        "red": {"mean_permille": [600, 700, 300], "inverse_e9": (np.eye(3) * 1e5).tolist()},
        "red_and_white": {"mean_permille": [600, 700, 600, 200], "inverse_e9": np.eye(4).tolist()},
    }
    usual = FrameColours("one", np.array([900.0, 700, 300]), None)
    odd = FrameColours("one", np.array([0.0, 0, 0]), None)
    assert np.isnan(distance(table, [usual] * 4))
    assert distance(table, [usual] * 4 + [odd]) == pytest.approx(3)
