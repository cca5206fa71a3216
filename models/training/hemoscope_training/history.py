"""Adds metrics to a run's history: python -m hemoscope_training.history.

Exports every snapshot of a training run, lets the program count the development frames with it,
and writes the losses and those metrics to one CSV, which `plots` draws. Thresholds are the
uncalibrated 0.5 throughout, so that snapshots compare.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from hemoscope_training.program import Mode, Program
from hemoscope_training.records import load_truth, parse_counted
from hemoscope_training.report import make_run

METRICS = ("dev_map50", "dev_f1_rbc", "dev_f1_wbc", "dev_f1_plt")
LABELS = ("RBC", "WBC", "PLT")


def snapshot_epoch(path: Path) -> float:
    """Epochs that a snapshot has seen, from its name `epoch-00010.1.pt`."""
    return float(path.stem.removeprefix("epoch-"))


def snapshot_metrics(settings: argparse.Namespace, snapshot: Path) -> dict[str, str]:
    """Score one snapshot in its quantized form, at the known scale."""
    truths = load_truth(settings.data / settings.coco)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "snapshot"
        command = [sys.executable, "-m", "hemoscope_training.export", "--snapshot", str(snapshot)]
        command += ["--data", str(settings.data), "--out", str(model)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        program = Program(settings.program.absolute(), model, settings.data)
        mode = Mode(snapshot.stem)
        counted = parse_counted(list(program.count(truths, mode)), snapshot.stem)
        every = list(program.count(truths, replace(mode, all_cells=True)))
        scores = make_run(
            snapshot.stem, truths, counted, parse_counted(every, snapshot.stem)
        ).scores
    f1 = [scores.classes[label].f1.value for label in LABELS]
    return {name: f"{value:.4f}" for name, value in zip(METRICS, (scores.map50, *f1), strict=True)}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--coco", default="dev.json")
    parser.add_argument("--out", type=Path, required=True, help="CSV with losses and metrics")
    settings = parser.parse_args()
    with (settings.run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    snapshots = sorted((settings.run / "snapshots").glob("epoch-*.pt"), key=snapshot_epoch)
    for snapshot in tqdm(snapshots, desc="snapshots", unit="snapshot"):
        epoch = snapshot_epoch(snapshot)
        nearest = min(rows, key=lambda row: abs(float(row["epoch"]) - epoch))
        nearest.update(snapshot_metrics(settings, snapshot))
    with settings.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0].keys(), *(m for m in METRICS if m not in rows[0])])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
