"""Small frames and cells for the tests."""

import numpy as np

from hemoscope_training.records import LABELS, CountedFrame, FramePair, TruthFrame

Cell = tuple[str, list[float]]
ReportedCell = tuple[str, list[float], float]


def truth(*cells: Cell, name: str = "a.png", **fields) -> TruthFrame:
    """A frame of 100 x 100 pixels with annotated cells."""
    settings = {
        "width": 100,
        "height": 100,
        "source": "one",
        "group": 1,
        "rbc_px": 20.0,
        "border_ignore_px": 0.0,
        **fields,
    }
    return TruthFrame(
        name=name,
        boxes=np.array([box for _, box in cells], float).reshape(-1, 4),
        labels=np.array([LABELS[label] for label, _ in cells], int),
        **settings,
    )


def counted(*cells: ReportedCell, outside: tuple[int, ...] = ()) -> CountedFrame:
    """Reported cells, most confident first; `outside` are not counted by the border rule."""
    confidences = np.array([confidence for _, _, confidence in cells], float)
    assert (np.diff(confidences) <= 0).all(), "give the most confident cells first"
    return CountedFrame(
        np.array([box for _, box, _ in cells], float).reshape(-1, 4),
        np.array([LABELS[label] for label, _, _ in cells], int),
        confidences,
        np.array([index not in outside for index in range(len(cells))], bool),
    )


def pair(annotated: TruthFrame, reported: CountedFrame) -> FramePair:
    return FramePair(annotated, reported)
