"""Holds two runs over the same frames against one another.

The frames are hard or easy for both runs alike, so the interval is that of the difference: groups
of frames are drawn once for both (a paired bootstrap).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hemoscope_training.records import CLASS_NAMES, FramePair
from hemoscope_training.scoring import (
    Candidates,
    FrameTallies,
    bootstrap_rows,
    collect_candidates,
    count_accuracy_per_frame,
    f1,
    inner_pairs,
    tally,
    total_error,
)

RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads its curve of precision."""

Figure = Callable[[np.ndarray], float]
"""A figure of one run over the frames of some rows, which may repeat."""


@dataclass(frozen=True)
class Counted:
    """One run.

    Attributes:
        pairs: what the program reports.
        all_pairs: the same frames with every candidate.
    """

    pairs: Sequence[FramePair]
    all_pairs: Sequence[FramePair]


@dataclass(frozen=True)
class Difference:
    """A figure of two runs.

    Attributes:
        name: what it is.
        first, second: its value in each run.
        low, high: 95 % bootstrap interval of second - first.
    """

    name: str
    first: float
    second: float
    low: float
    high: float

    @property
    def is_plain(self) -> bool:
        """Whether the interval holds no zero."""
        return self.low > 0 or self.high < 0


def average_precision(candidates: Candidates, truth: np.ndarray, rows: np.ndarray) -> float:
    """AP50 of one class, as COCO defines it, over some frames.

    Args:
        candidates: of all frames.
        truth: (frames,) annotated cells of the class.
        rows: frames, which may repeat.
    """
    times = np.bincount(rows, minlength=len(truth))
    annotated = (times * truth).sum()
    if not annotated:
        return float("nan")
    weights = times[candidates.frames]
    right = np.cumsum(weights * candidates.right)
    precision = right / np.maximum(1, np.cumsum(weights))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / annotated, RECALLS)
    return float(np.append(best, 0.0)[places].mean())


def _figures(run: Counted) -> dict[str, Figure]:
    """Every figure of a run that is compared."""
    figures: dict[str, Figure] = {}
    precisions: list[Figure] = []

    def of_tallies(figure: Callable[[FrameTallies], float], tallies: FrameTallies) -> Figure:
        return lambda rows: figure(tallies.take(rows))

    def of_candidates(candidates: Candidates, truth: np.ndarray) -> Figure:
        return lambda rows: average_precision(candidates, truth, rows)

    inner = inner_pairs(run.pairs)
    for label, name in enumerate(CLASS_NAMES):
        tallies, counted = tally(run.pairs, label), tally(inner, label)
        if not tallies.truth.sum():
            continue
        precision = of_candidates(collect_candidates(run.all_pairs, label), tallies.truth)
        precisions.append(precision)
        figures |= {
            f"AP50 {name}": precision,
            f"F1 {name}": of_tallies(f1, tallies),
            f"count accuracy {name}": of_tallies(count_accuracy_per_frame, tallies),
            f"total {name}": of_tallies(total_error, tallies),
            f"F1 {name}, counted": of_tallies(f1, counted),
            f"total {name}, counted": of_tallies(total_error, counted),
        }
    mean = {"mAP50": lambda rows: float(np.mean([each(rows) for each in precisions]))}
    return mean | figures


def compare(first: Counted, second: Counted) -> list[Difference]:
    """Every figure of both runs, which have the same frames in the same order.

    Raises:
        ValueError: the frames are others.
    """
    names = [[pair.truth.name for pair in run.pairs] for run in (first, second)]
    if names[0] != names[1]:
        raise ValueError("the two runs have other frames; count the same ones twice")
    rounds = bootstrap_rows([pair.truth.group for pair in first.pairs])
    every = np.arange(len(first.pairs))
    figures = zip(_figures(first).items(), _figures(second).values(), strict=True)
    differences = []
    for (name, of_first), of_second in figures:
        drawn = np.array([of_second(rows) - of_first(rows) for rows in rounds])
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        values = of_first(every), of_second(every)
        differences.append(Difference(name, *values, float(low), float(high)))
    return differences


def table(differences: Sequence[Difference]) -> str:
    """Markdown: a row for each figure."""
    lines = ["| figure | first | second | difference (95 %) | |", "|---|---|---|---|---|"]
    for item in differences:
        interval = f"{item.second - item.first:+.4f} ({item.low:+.4f} to {item.high:+.4f})"
        verdict = "differs" if item.is_plain else "within the noise"
        cells = (item.name, f"{item.first:.4f}", f"{item.second:.4f}", interval, verdict)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
