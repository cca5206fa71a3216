"""Turns scored runs into a report: JSON, Markdown, CSV tables and PNG figures."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hemoscope_training import plots
from hemoscope_training.program import RBC_DIAMETER_UM
from hemoscope_training.records import (
    CLASS_NAMES,
    UNCERTAIN,
    CountedFrame,
    FramePair,
    TruthFrame,
    pair_frames,
)
from hemoscope_training.scoring import (
    Candidates,
    Interval,
    Reliability,
    Scores,
    collect_candidates,
    precision_recall,
    score,
    score_reliability,
    tally,
)

CURVE_ROWS_MAX = 400
"""Rows of a precision-recall curve in its CSV file, for each class."""


@dataclass(frozen=True)
class Run:
    """One way of counting the frames, with its scores.

    Attributes:
        name: as it stands in the tables.
        pairs: what the program reports.
        all_pairs: every candidate, or None.
        missing: frames without a report.
        scores: over all frames.
        by_source: over the frames of each source.
    """

    name: str
    pairs: list[FramePair]
    all_pairs: list[FramePair] | None
    missing: list[str]
    scores: Scores
    by_source: dict[str, Scores]


@dataclass(frozen=True)
class Target:
    """A figure to reach.

    Attributes:
        name: what it is.
        value: what was measured.
        bound: what it is compared with.
        at_most: whether the bound is a maximum; else it is a minimum.
    """

    name: str
    value: float
    bound: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the figure keeps its bound; NaN does not."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def line(self) -> str:
        """One line of text that begins with PASS or FAIL."""
        sign = "<=" if self.at_most else ">="
        verdict = "PASS" if self.reached else "FAIL"
        return f"{verdict}  {self.name}: {self.value:.4f} ({sign} {self.bound:g})"


@dataclass(frozen=True)
class Bounds:
    """The figures to reach on the development frames, as fractions."""

    map50: float = 0.955
    f1: dict[str, float] = field(default_factory=lambda: {"RBC": 0.952, "WBC": 0.978, "PLT": 0.89})
    rbc_count_accuracy: float = 0.935
    total_error: float = 0.03
    class_accuracy: float = 0.998
    quantization_cost_map50: float = 0.01
    estimated_scale_cost_map50: float = 0.01


def make_run(
    name: str,
    truths: Sequence[TruthFrame],
    counted: dict[str, CountedFrame],
    all_counted: dict[str, CountedFrame] | None,
) -> Run:
    """Score one way of counting, over all frames and over those of each source."""
    pairs, missing = pair_frames(truths, counted)
    all_pairs = None if all_counted is None else pair_frames(truths, all_counted)[0]
    by_source = {}
    for source in dict.fromkeys(frame.source for frame in truths):
        kept = [index for index, frame in enumerate(truths) if frame.source == source]
        part = [pairs[index] for index in kept]
        all_part = None if all_pairs is None else [all_pairs[index] for index in kept]
        absent = sum(truths[index].name in missing for index in kept)
        by_source[source] = score(part, all_part, absent)
    scores = score(pairs, all_pairs, len(missing))
    return Run(name, pairs, all_pairs, missing, scores, by_source)


def targets(quantized: Scores, plain: Scores | None, estimated: Scores | None) -> list[Target]:
    """List every figure to reach; costs only where the other run was made."""
    bounds = Bounds()
    nan = float("nan")
    classes = quantized.classes
    map50 = nan if quantized.map50 is None else quantized.map50
    rbc = classes.get("RBC")
    result = [Target("mAP50", map50, bounds.map50)]
    for name, bound in bounds.f1.items():
        result.append(
            Target(f"F1 {name}", classes[name].f1.value if name in classes else nan, bound)
        )
    accuracy = nan if rbc is None else rbc.count_accuracy_per_frame.value
    result.append(Target("RBC count accuracy per frame", accuracy, bounds.rbc_count_accuracy))
    for name in CLASS_NAMES:
        error = abs(classes[name].total_error.value) if name in classes else nan
        result.append(Target(f"error of the {name} total", error, bounds.total_error, at_most=True))
    result.append(
        Target(
            "class accuracy of matched cells", quantized.confusion.accuracy, bounds.class_accuracy
        )
    )
    costs = [
        ("mAP50 lost by quantization", plain, bounds.quantization_cost_map50),
        ("mAP50 lost by estimating the scale", estimated, bounds.estimated_scale_cost_map50),
    ]
    for (name, other, bound), direction in zip(costs, (1, -1), strict=True):
        if other is not None and other.map50 is not None:
            cost = direction * (other.map50 - map50) + 0.0
            result.append(Target(name, cost, bound, at_most=True))
    return result


def _percent(interval: Interval, signed: bool = False) -> str:
    style = "+.1%" if signed else ".1%"
    return f"{interval.value:{style}} ({interval.low:{style}} to {interval.high:{style}})"


def _fraction(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f}-{interval.high:.3f})"


def _optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(str(item) for item in row) + " |" for row in rows]


def _summary_rows(runs: Sequence[Run]) -> list[list[str]]:
    rows = []
    for run in runs:
        scores = run.scores
        f1s = [
            _fraction(scores.classes[name].f1) if name in scores.classes else "-"
            for name in CLASS_NAMES
        ]
        rbc = scores.classes.get("RBC")
        count = "-" if rbc is None else _percent(rbc.count_accuracy_per_frame)
        confusion = scores.confusion
        matched = f"{confusion.accuracy:.2%} / {confusion.macro_f1:.3f}"
        rows.append([run.name, _optional(scores.map50), *f1s, count, matched])
    return rows


def _class_rows(scores: Scores, inner: bool) -> list[list[object]]:
    rows = []
    for name, item in (scores.inner_classes if inner else scores.classes).items():
        figures = [item.truth, item.reported, f"{item.precision:.3f}", f"{item.recall:.3f}"]
        counts = [_percent(item.count_accuracy_per_frame), _percent(item.total_error, signed=True)]
        average = [] if inner else [_optional(item.ap50), _optional(item.ap50_95)]
        rows.append([name, *figures, _fraction(item.f1), *counts, *average])
    return rows


def _source_rows(run: Run) -> list[list[object]]:
    rows = []
    for source, scores in run.by_source.items():
        f1s = [
            f"{scores.classes[name].f1.value:.3f} ({scores.classes[name].truth})"
            if name in scores.classes
            else "-"
            for name in CLASS_NAMES
        ]
        rbc = scores.classes.get("RBC")
        count = "-" if rbc is None else f"{rbc.count_accuracy_per_frame.value:.1%}"
        rows.append([source, scores.frames, _optional(scores.map50), *f1s, count])
    return rows


def markdown(runs: Sequence[Run], reached: Sequence[Target]) -> str:
    """Write the report's text; the first run is the one looked at closely."""
    main = runs[0]
    f1_heads = [f"F1 {name}" for name in CLASS_NAMES]
    class_head = ["class", "annotated", "reported", "precision", "recall", "F1"]
    class_head += ["count accuracy per frame", "error of the total"]
    lines = [
        "# Accuracy on annotated frames",
        "",
        f"{main.scores.frames} frames; cells match at IoU 0.5. In brackets: 95 % bootstrap "
        "intervals over groups of frames, or numbers of annotated cells.",
        "",
        *_table(
            ["run", "mAP50", *f1_heads, "RBC count per frame", "class accuracy / macro-F1"],
            _summary_rows(runs),
        ),
        "",
        f"## {main.name}",
        "",
        *_table([*class_head, "AP50", "AP50-95"], _class_rows(main.scores, inner=False)),
        "",
        "Only cells that the border rule counts (inner frame), reported and annotated:",
        "",
        *_table(class_head, _class_rows(main.scores, inner=True)),
        "",
        *_table(
            ["source", "frames", "mAP50", *f1_heads, "RBC count per frame"], _source_rows(main)
        ),
    ]
    if reached:
        lines += ["", "## Figures to reach", "", *(f"- {target.line()}" for target in reached)]
    for run in runs:
        if run.missing:
            lines += ["", f"{run.name}: no report for {', '.join(run.missing)}"]
    return "\n".join(lines) + "\n"


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON does not have, by null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one table."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def _write_tables(run: Run, folder: Path) -> None:
    write_csv(
        folder / "counts.csv",
        [
            "image",
            "source",
            *(f"{kind}_{name}" for name in CLASS_NAMES for kind in ("true", "seen")),
        ]
        + ["uncertain"],
        [
            [pair.truth.name, pair.truth.source]
            + [
                int((labels == label).sum())
                for label in range(len(CLASS_NAMES))
                for labels in (pair.truth.labels, pair.counted.labels)
            ]
            + [int((pair.counted.labels == UNCERTAIN).sum())]
            for pair in run.pairs
        ],
    )
    write_csv(
        folder / "confusion.csv",
        ["annotated", *CLASS_NAMES, "uncertain", "missed"],
        [
            [name, *row]
            for name, row in zip(
                [*CLASS_NAMES, "no cell"], run.scores.confusion.matrix, strict=True
            )
        ],
    )
    write_csv(
        folder / "sources.csv",
        [
            "source",
            "frames",
            "map50",
            "class",
            "true",
            "seen",
            "f1",
            "count_accuracy",
            "total_error",
        ],
        [
            [source, scores.frames, scores.map50, name, item.truth, item.reported]
            + [
                round(figure.value, 5)
                for figure in (item.f1, item.count_accuracy_per_frame, item.total_error)
            ]
            for source, scores in run.by_source.items()
            for name, item in scores.classes.items()
        ],
    )


def _write_curves(
    candidates: dict[str, Candidates], curves: dict[str, Reliability], folder: Path
) -> None:
    rows = []
    for name, items in candidates.items():
        precision, recall = precision_recall(items)
        step = max(1, len(precision) // CURVE_ROWS_MAX)
        for index in range(0, len(precision), step):
            figures = (items.confidences[index], precision[index], recall[index])
            rows.append([name, *(round(float(figure), 5) for figure in figures)])
    write_csv(folder / "precision_recall.csv", ["class", "confidence", "precision", "recall"], rows)
    write_csv(
        folder / "reliability.csv",
        ["class", "from", "to", "cells", "confidence", "right"],
        [
            [name, *(round(float(edge), 3) for edge in curve.edges[index : index + 2])]
            + [int(curve.cells[index])]
            + [round(float(values[index]), 5) for values in (curve.confidence, curve.accuracy)]
            for name, curve in curves.items()
            for index in range(len(curve.cells))
            if curve.cells[index]
        ],
    )


def reliability_by_class(pairs: Sequence[FramePair]) -> dict[str, Reliability]:
    """Reliability of the candidates of every class that has any."""
    candidates = {name: collect_candidates(pairs, label) for label, name in enumerate(CLASS_NAMES)}
    return {
        name: score_reliability([items])
        for name, items in candidates.items()
        if len(items.confidences)
    }


def _draw(run: Run, folder: Path) -> None:
    names = run.scores.classes
    plots.plot_counts(
        {name: tally(run.pairs, CLASS_NAMES.index(name)) for name in names}, folder / "counts.png"
    )
    plots.plot_confusion(run.scores.confusion, folder / "confusion.png")
    plots.plot_sources(
        {
            source: {name: item.f1.value for name, item in scores.classes.items()}
            for source, scores in run.by_source.items()
        },
        [scores.frames for scores in run.by_source.values()],
        folder / "sources.png",
    )


def _draw_curves(
    run: Run, candidates: dict[str, Candidates], curves: dict[str, Reliability], folder: Path
) -> None:
    plots.plot_precision_recall(
        candidates,
        {name: run.scores.classes[name].ap50 or 0.0 for name in candidates},
        {
            name: (run.scores.classes[name].recall, run.scores.classes[name].precision)
            for name in candidates
        },
        folder / "precision_recall.png",
    )
    plots.plot_reliability(curves, folder / "reliability.png")


def scale_rows(
    truths: Sequence[TruthFrame], counted: dict[str, CountedFrame]
) -> list[list[object]]:
    """List, for every frame with an estimate, source, true and estimated scale, and their ratio."""
    pairs, _ = pair_frames(truths, counted)
    rows = []
    for pair in pairs:
        estimate = pair.counted.um_per_px
        if estimate and pair.truth.rbc_px:
            known = RBC_DIAMETER_UM / pair.truth.rbc_px
            ratio = round(estimate / known, 4)
            rows.append([pair.truth.name, pair.truth.source, round(known, 6), estimate, ratio])
    return rows


def write_report(runs: Sequence[Run], reached: Sequence[Target], folder: Path) -> str:
    """Write everything into `folder`, and return the Markdown text.

    Tables and figures are those of the first run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    main = runs[0]
    _write_tables(main, folder)
    _draw(main, folder)
    calibration_errors = {}
    if main.all_pairs is not None:
        candidates = {
            name: collect_candidates(main.all_pairs, CLASS_NAMES.index(name))
            for name in main.scores.classes
        }
        curves = reliability_by_class(main.all_pairs)
        calibration_errors = {name: curve.calibration_error for name, curve in curves.items()}
        _write_curves(candidates, curves, folder)
        if curves:
            _draw_curves(main, candidates, curves, folder)
    document = {
        "runs": {
            run.name: {
                "missing": run.missing,
                "all": asdict(run.scores),
                "sources": {source: asdict(scores) for source, scores in run.by_source.items()},
            }
            for run in runs
        },
        "calibration_error": calibration_errors,
        "targets": [{**asdict(target), "reached": target.reached} for target in reached],
    }
    text = json.dumps(_without_nan(document), indent=1) + "\n"
    (folder / "report.json").write_text(text)
    report = markdown(runs, reached)
    (folder / "report.md").write_text(report)
    return report
