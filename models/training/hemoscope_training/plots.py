"""Draws the figures of training and evaluation as PNG files.

Colours are Okabe and Ito's set, which stays apart under colour blindness (Okabe & Ito 2008, "Color
Universal Design"); classes also differ by marker. As a program it draws a training history:
python -m hemoscope_training.plots history.csv --out history.png
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hemoscope_training.records import CLASS_NAMES
from hemoscope_training.scoring import (
    Candidates,
    Confusion,
    FrameTallies,
    Reliability,
    precision_recall,
)

ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
CLASS_COLOURS = {"RBC": VERMILION, "WBC": BLUE, "PLT": GREEN}
CLASS_MARKERS = {"RBC": "o", "WBC": "s", "PLT": "^"}
GREY = "#666666"
DPI = 130

LOSSES = {"loss": "total", "heat_loss": "heat", "box_loss": "box", "size_loss": "size"}
LOSS_COLOURS = {"loss": "black", "heat_loss": VERMILION, "box_loss": BLUE, "size_loss": GREEN}
METRICS = {
    "dev_map50": ("mAP50", "black", "D"),
    "dev_f1_rbc": ("F1 RBC", CLASS_COLOURS["RBC"], CLASS_MARKERS["RBC"]),
    "dev_f1_wbc": ("F1 WBC", CLASS_COLOURS["WBC"], CLASS_MARKERS["WBC"]),
    "dev_f1_plt": ("F1 PLT", CLASS_COLOURS["PLT"], CLASS_MARKERS["PLT"]),
}
SMOOTHING_SHARE = 50
"""The loss is averaged over a window of one part in this many of the history."""


def _axes(width: float = 6.0, height: float = 4.5) -> tuple[Figure, Axes]:
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    _tidy(axes)
    return figure, axes


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def read_history(path: Path) -> dict[str, np.ndarray]:
    """Columns (rows,) of a training history; an empty field is NaN."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"{path}: holds no rows; has training begun?")
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def _moving_average(values: np.ndarray, width: int) -> np.ndarray:
    weight = np.convolve(np.ones(len(values)), np.ones(width), mode="same")
    return np.convolve(values, np.ones(width), mode="same") / weight


def plot_training(history: dict[str, np.ndarray], path: Path) -> None:
    """Draw losses, learning rate and, where they stand in the history, metrics by epoch."""
    epochs = history["epoch"]
    measured = [name for name in METRICS if np.isfinite(history.get(name, np.nan)).any()]
    panels = 3 if measured else 2
    figure, axes = plt.subplots(
        panels,
        1,
        figsize=(7, 2.6 * panels),
        sharex=True,
        layout="constrained",
        height_ratios=[2, 1, 2][:panels],
    )
    width = max(1, len(epochs) // SMOOTHING_SHARE)
    for name, label in LOSSES.items():
        if name in history:
            line = _moving_average(history[name], width)
            axes[0].plot(epochs, line, color=LOSS_COLOURS[name], label=label)
    axes[0].set(ylabel="loss", yscale="log", title="Training")
    axes[1].plot(epochs, history["learning_rate"], color=GREY)
    axes[1].set(ylabel="learning rate", ylim=(0, None))
    for name in measured:
        label, colour, marker = METRICS[name]
        known = np.isfinite(history[name])
        axes[2].plot(
            epochs[known], history[name][known], color=colour, marker=marker, ms=4, label=label
        )
    if measured:
        axes[2].set(ylabel="development frames")
        axes[2].legend(ncols=4, loc="lower right")
    axes[0].legend(ncols=4)
    axes[-1].set(xlabel="epoch")
    for panel in axes:
        _tidy(panel)
    _save(figure, path)


def plot_precision_recall(
    candidates: dict[str, Candidates],
    precisions: dict[str, float],
    reported: dict[str, tuple[float, float]],
    path: Path,
) -> None:
    """Draw precision against recall.

    Args:
        candidates: every candidate of each class.
        precisions: AP50 of each class.
        reported: recall and precision of the cells that the program reports.
        path: PNG file.
    """
    figure, axes = _axes()
    for name, items in candidates.items():
        precision, recall = precision_recall(items)
        colour = CLASS_COLOURS[name]
        label = f"{name}, AP50 {precisions[name]:.3f}"
        axes.plot(recall, precision, color=colour, label=label)
        axes.plot(*reported[name], color=colour, marker=CLASS_MARKERS[name], ms=8, mec="black")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
    axes.set_title("Precision and recall at IoU 0.5 (marks: as reported)")
    axes.legend(loc="lower left")
    _save(figure, path)


def plot_counts(tallies: dict[str, FrameTallies], path: Path) -> None:
    """Draw reported against annotated cells, one point a frame; equal points grow."""
    figure, panels = plt.subplots(
        1, len(tallies), figsize=(4 * len(tallies), 4.4), layout="constrained", squeeze=False
    )
    for axes, (name, counts) in zip(panels[0], tallies.items(), strict=True):
        points, times = np.unique(
            np.stack([counts.truth, counts.reported], axis=1), axis=0, return_counts=True
        )
        top = max(1, points.max()) * 1.08
        axes.plot([0, top], [0, top], color=GREY, linewidth=1, label="equal")
        axes.scatter(
            *points.T,
            s=16 * np.sqrt(times),
            color=CLASS_COLOURS[name],
            marker=CLASS_MARKERS[name],
            alpha=0.7,
            edgecolors="none",
        )
        total = f"{counts.reported.sum()} reported, {counts.truth.sum()} annotated"
        axes.set(title=f"{name}: {total}", xlabel="annotated in the frame")
        axes.set_box_aspect(1)
        margin = top * 0.03
        axes.set(xlim=(-margin, top), ylim=(-margin, top))
        axes.locator_params(integer=True, nbins=6)
        _tidy(axes)
    panels[0][0].set_ylabel("reported in the frame")
    _save(figure, path)


def plot_confusion(confusion: Confusion, path: Path) -> None:
    """Draw the confusion matrix, coloured by share of the row, with the numbers."""
    matrix = np.array(confusion.matrix)
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    columns, rows = [*CLASS_NAMES, "uncertain", "missed"], [*CLASS_NAMES, "no cell"]
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*matrix.shape):
        if (row, column) == (len(CLASS_NAMES), len(columns) - 1):
            continue
        colour = "black" if share[row, column] > 0.5 else "white"
        axes.text(column, row, matrix[row, column], ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="reported", ylabel="annotated")
    axes.set_title(
        f"Matched cells: class accuracy {confusion.accuracy:.2%}, macro-F1 {confusion.macro_f1:.3f}"
    )
    figure.colorbar(image, label="share of the row")
    _save(figure, path)


def plot_reliability(curves: dict[str, Reliability], path: Path) -> None:
    """Draw the share of right cells against their confidence, and how many there are."""
    figure, (axes, lower) = plt.subplots(
        2, 1, figsize=(6, 6), sharex=True, height_ratios=[3, 1], layout="constrained"
    )
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for name, curve in curves.items():
        filled = curve.cells > 0
        axes.plot(
            curve.confidence[filled],
            curve.accuracy[filled],
            color=CLASS_COLOURS[name],
            marker=CLASS_MARKERS[name],
            label=f"{name}, calibration error {curve.calibration_error:.3f}",
        )
    bin_width = float(np.diff(next(iter(curves.values())).edges)[0])
    bar_width = bin_width * 0.8 / max(1, len(curves))
    for place, (name, curve) in enumerate(curves.items()):
        offset = bin_width * 0.1 + (place + 0.5) * bar_width
        lower.bar(curve.edges[:-1] + offset, curve.cells, bar_width, color=CLASS_COLOURS[name])
    axes.set(ylabel="share of right cells", ylim=(0, 1.02), title="Reliability of the confidence")
    axes.legend(loc="upper left")
    lower.set(xlabel="confidence", ylabel="candidates", yscale="log", xlim=(0, 1))
    _tidy(axes)
    _tidy(lower)
    _save(figure, path)


def plot_sources(figures: dict[str, dict[str, float]], frames: Sequence[int], path: Path) -> None:
    """Draw F1 of each class in each source.

    Args:
        figures: by source, F1 by class; a class without annotated cells is absent.
        frames: number of frames of each source.
        path: PNG file.
    """
    figure, axes = _axes(width=max(6.0, 1.6 * len(figures)))
    width = 0.8 / len(CLASS_NAMES)
    for place, name in enumerate(CLASS_NAMES):
        known = [(index, item[name]) for index, item in enumerate(figures.values()) if name in item]
        positions = [index + (place - 1) * width for index, _ in known]
        heights = [value for _, value in known]
        bars = axes.bar(positions, heights, width * 0.92, color=CLASS_COLOURS[name], label=name)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=1)
    labels = [f"{source}\n{count} frames" for source, count in zip(figures, frames, strict=True)]
    axes.set_xticks(range(len(figures)), labels)
    axes.grid(visible=False, axis="x")
    axes.set(ylabel="F1 at IoU 0.5", ylim=(0, 1.12), title="F1 by source")
    axes.legend(ncols=3, loc="upper center")
    _save(figure, path)


def main() -> None:
    """Draw a training history."""
    parser = argparse.ArgumentParser(description="Draws losses and metrics against epochs.")
    parser.add_argument("history", type=Path, help="history.csv of a training run")
    parser.add_argument("--out", type=Path, required=True, help="PNG file")
    arguments = parser.parse_args()
    try:
        plot_training(read_history(arguments.history), arguments.out)
    except (OSError, ValueError) as error:
        parser.exit(1, f"plots: {error}\n")


if __name__ == "__main__":
    main()
