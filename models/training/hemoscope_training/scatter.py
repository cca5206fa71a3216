"""How far counts scatter about the truth from one set of frames to another, beyond chance.

A smear is counted at one microscope, in one stain: what the network misses or invents there is the
same in every field, so more fields do not average it out. The frames of one source stand for one
such smear. Of each source, x = ln(reported / annotated) is known, with a variance by chance of
about (missed + false) / annotated², as for rare and independent errors. What is left is the
scatter:

    scatter² = max(0, (Σ x² w - sources) / Σ w),  w = 1 / chance

It is the moment estimate of R. DerSimonian and N. Laird ("Meta-analysis in clinical trials",
Controlled Clinical Trials 7, 1986), about zero and not about the mean, since the device takes no
mean error out.
"""

import math
from collections.abc import Sequence

from hemoscope_training.records import CLASS_NAMES, FramePair
from hemoscope_training.scoring import inner_pairs, tally

CELLS_MIN = 10
"""A source with fewer annotated cells of a class says nothing about it."""

ERRORS_MIN = 0.5
"""A source without a wrong cell is not taken to be beyond all chance."""


def count_scatter(pairs: Sequence[FramePair]) -> dict[str, float]:
    """Standard deviation of ln(counted / true) by class, of cells that the border rule counts.

    Classes that no source has enough cells of are left out.
    """
    by_source: dict[str, list[FramePair]] = {}
    for pair in inner_pairs(pairs):
        by_source.setdefault(pair.truth.source, []).append(pair)
    result = {}
    for label, name in enumerate(CLASS_NAMES):
        weighted, weights, sources = 0.0, 0.0, 0
        for of_source in by_source.values():
            tallies = tally(of_source, label)
            matched, reported, truth = (
                int(cells.sum()) for cells in (tallies.matched, tallies.reported, tallies.truth)
            )
            if truth < CELLS_MIN or reported == 0:
                continue
            wrong = max(ERRORS_MIN, (truth - matched) + (reported - matched))
            weight = truth**2 / wrong
            weighted += math.log(reported / truth) ** 2 * weight
            weights += weight
            sources += 1
        if sources:
            result[name] = math.sqrt(max(0.0, (weighted - sources) / weights))
    return result


def manifest_entries(scatter: dict[str, float]) -> dict[str, float]:
    """Give the manifest's table `[count_scatter]`; 0 where a class was not measured."""
    return {name.lower(): round(scatter.get(name, 0.0), 4) for name in CLASS_NAMES}


def scatter_text(scatter: dict[str, float]) -> str:
    """Say the scatter in one line."""
    values = ", ".join(f"{name} {value:.4f}" for name, value in scatter.items())
    return f"scatter of counts between sources, beyond chance: {values}"
