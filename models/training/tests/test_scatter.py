import math

import pytest
from build import counted, pair, truth

from hemoscope_training.records import FramePair
from hemoscope_training.scatter import count_scatter, manifest_entries


def frame(source: str, annotated: int, matched: int, false: int) -> FramePair:
    """Build a frame whose red cells are all well inside it; some are missed, some invented."""
    places = [[30.0 + 3 * n, 40.0, 32.0 + 3 * n, 42.0] for n in range(annotated + false)]
    reported = places[:matched] + places[annotated:]
    return pair(
        truth(*(("RBC", box) for box in places[:annotated]), name=f"{source}.png", source=source),
        counted(*(("RBC", box, 0.9) for box in reported)),
    )


def test_what_chance_explains_is_no_scatter():
    assert count_scatter([frame("a", 12, 12, 0), frame("b", 12, 11, 1)]) == {"RBC": 0.0}


def test_a_source_that_loses_half_scatters():
    scatter = count_scatter([frame("a", 12, 12, 0), frame("b", 12, 6, 0)])
    weights = [12**2 / 0.5, 12**2 / 6]
    expected = (math.log(2) ** 2 * weights[1] - 2) / sum(weights)
    assert scatter["RBC"] == pytest.approx(math.sqrt(expected))
    entries = {"rbc": round(math.sqrt(expected), 4), "wbc": 0.0, "plt": 0.0}
    assert manifest_entries(scatter) == entries


def test_a_source_with_too_few_cells_says_nothing():
    assert count_scatter([frame("a", 9, 9, 0)]) == {}
