"""Scores what the program printed, against annotated frames.

    python -m hemoscope_training.evaluate run    runs the program and scores it
    python -m hemoscope_training.evaluate score  scores JSON lines that are there already
    python -m hemoscope_training.evaluate tune   chooses thresholds and calibrates confidence
    python -m hemoscope_training.evaluate compare   holds two runs against one another

Accuracy is always that of the device's own code, from image file to printed cell: nothing here
decodes, scales or detects.
"""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hemoscope_training.comparison import Counted, compare, table
from hemoscope_training.manifest import write_manifest
from hemoscope_training.program import Mode, Program, ProgramError
from hemoscope_training.records import (
    CountedFrame,
    RecordError,
    TruthFrame,
    load_counted,
    load_truth,
    pair_frames,
    parse_counted,
)
from hemoscope_training.report import (
    Run,
    Target,
    make_run,
    scale_rows,
    targets,
    write_csv,
    write_report,
)
from hemoscope_training.scatter import count_scatter, manifest_entries, scatter_text
from hemoscope_training.scoring import Scores
from hemoscope_training.tuning import Calibration, ClassTuning, logit, sigmoid, tune

QUANTIZED = Mode("int8, given scale")
PLAIN = Mode("float, given scale", plain=True)
ESTIMATED = Mode("int8, estimated scale", given_scale=False)
MODES = {"int8": QUANTIZED, "float": PLAIN, "estimated": ESTIMATED}

STEPS_PER_UNIT = 256
"""Slopes and intercepts stand in the manifest in 1/256."""

PERMYRIAD = 10_000


def _count(
    program: Program, mode: Mode, truths: Sequence[TruthFrame], kept: Path
) -> dict[str, CountedFrame]:
    """Run the program over all frames, keep its lines in a file, and parse them."""
    lines = list(program.count(truths, mode))
    kept.write_text("".join(lines))
    return parse_counted(lines, str(kept))


def run_modes(
    program: Program, truths: Sequence[TruthFrame], keys: Sequence[str], out: Path
) -> dict[str, Run]:
    """Count all frames in the named modes of `MODES`, each as reported and with all candidates."""
    out.mkdir(parents=True, exist_ok=True)
    runs = {}
    for key in keys:
        mode = MODES[key]
        counted = _count(program, mode, truths, out / f"{key}.jsonl")
        every = replace(mode, name=f"{mode.name}, all cells", all_cells=True)
        all_counted = _count(program, every, truths, out / f"{key}_all.jsonl")
        runs[key] = make_run(mode.name, truths, counted, all_counted)
        if not mode.given_scale:
            head = ["image", "source", "um_per_px", "estimated_um_per_px", "ratio"]
            write_csv(out / "scale.csv", head, scale_rows(truths, counted))
    return runs


def metrics(scores: Scores, runs: dict[str, Run]) -> dict[str, float]:
    """Choose the figures that the manifest keeps, by name."""
    result = {"dev_frames": float(scores.frames)}
    for key, run in runs.items():
        if run.scores.map50 is not None:
            result[f"dev_map50_{key}"] = round(run.scores.map50, 4)
    for name, item in scores.classes.items():
        result[f"dev_f1_{name.lower()}"] = round(item.f1.value, 4)
        result[f"dev_total_error_{name.lower()}"] = round(item.total_error.value, 4)
    if "RBC" in scores.classes:
        accuracy = scores.classes["RBC"].count_accuracy_per_frame.value
        result["dev_count_accuracy_rbc"] = round(accuracy, 4)
    result["dev_class_accuracy"] = round(scores.confusion.accuracy, 4)
    result["dev_macro_f1"] = round(scores.confusion.macro_f1, 4)
    return result


def _truths(arguments: argparse.Namespace) -> list[TruthFrame]:
    """Load the COCO file; a relative path may lie below the data folder."""
    below = arguments.data / arguments.coco
    truths = load_truth(below if below.exists() else arguments.coco)
    if arguments.source:
        truths = [frame for frame in truths if frame.source in arguments.source]
    if not truths:
        raise RecordError(f"{arguments.coco}: no frames left to score; check --source")
    return truths


def _finish(reached: Sequence[Target], report: str, strict: bool) -> int:
    print(report)
    return 1 if strict and not all(target.reached for target in reached) else 0


def run_command(arguments: argparse.Namespace) -> int:
    """Run the program in the wanted modes, score it and write the report."""
    truths = _truths(arguments)
    program = Program(arguments.program.absolute(), arguments.model, arguments.data)
    runs = run_modes(program, truths, arguments.modes, arguments.out)
    scores = {key: run.scores for key, run in runs.items()}
    main = next(iter(runs.values())).scores
    reached = []
    if "int8" in scores:
        main = scores["int8"]
        reached = targets(main, scores.get("float"), scores.get("estimated"))
    report = write_report(list(runs.values()), reached, arguments.out)
    scatter = count_scatter(next(iter(runs.values())).pairs)
    report += scatter_text(scatter)
    if arguments.write_metrics:
        path = arguments.model / "manifest.toml"
        manifest = tomllib.loads(path.read_text())
        figures = {"count_scatter": manifest_entries(scatter), "metrics": metrics(main, runs)}
        write_manifest(path, {**manifest, **figures})
    return _finish(reached, report, arguments.strict)


def score_command(arguments: argparse.Namespace) -> int:
    """Score files of JSON lines."""
    truths = _truths(arguments)
    every = None if arguments.all_cells is None else load_counted(arguments.all_cells)
    run = make_run(arguments.name, truths, load_counted(arguments.cells), every)
    reached = targets(run.scores, None, None)
    return _finish(reached, write_report([run], reached, arguments.out), arguments.strict)


def applied_calibration(manifest: dict) -> dict[str, Calibration]:
    """Read the calibration that a manifest makes the program apply, by class."""
    return {
        entry["name"]: Calibration(
            entry["calibration_slope_q8"] / STEPS_PER_UNIT,
            entry["calibration_intercept_q8"] / STEPS_PER_UNIT,
        )
        for entry in manifest["class"]
    }


def tuned_class_entry(entry: dict, tuning: ClassTuning, applied: Calibration) -> dict:
    """Put a class's new threshold and calibration into its manifest entry.

    The tuning was measured on confidences to which `applied` had been applied, so the new
    calibration is one after the other.
    """
    slope = tuning.calibration.slope * applied.slope
    intercept = tuning.calibration.slope * applied.intercept + tuning.calibration.intercept
    slope_q8, intercept_q8 = round(slope * STEPS_PER_UNIT), round(intercept * STEPS_PER_UNIT)
    raw_logit = (logit(np.array(tuning.threshold)) - applied.intercept) / applied.slope
    certain = float(sigmoid((slope_q8 * raw_logit + intercept_q8) / STEPS_PER_UNIT))
    certain_permyriad = round(certain * PERMYRIAD)
    return {
        **entry,
        "certain_permyriad": certain_permyriad,
        "candidate_permyriad": min(entry["candidate_permyriad"], certain_permyriad),
        "calibration_slope_q8": slope_q8,
        "calibration_intercept_q8": intercept_q8,
    }


def tune_command(arguments: argparse.Namespace) -> int:
    """Choose thresholds and calibration, print them, and write them into a manifest."""
    pairs, missing = pair_frames(_truths(arguments), load_counted(arguments.all_cells))
    if missing:
        raise RecordError(
            f"{arguments.all_cells}: no line for {missing[0]}; count all frames first"
        )
    tunings = tune(pairs)
    for name, tuning in tunings.items():
        warning = "" if tuning.total_within_limit else "  (no threshold keeps the total within 3 %)"
        print(
            f"{name}: threshold {tuning.threshold:.3f} as printed, "
            f"{tuning.threshold_calibrated:.4f} calibrated; F1 {tuning.f1:.4f}, "
            f"error of the total {tuning.total_error:+.2%}{warning}\n"
            f"     slope {tuning.calibration.slope:.4f}, intercept "
            f"{tuning.calibration.intercept:+.4f}; calibration error {tuning.error_before:.4f} "
            f"-> {tuning.error_after:.4f}"
        )
    if arguments.model is not None:
        _write_tuning(arguments.model / "manifest.toml", tunings)
    return 0


def _write_tuning(path: Path, tunings: dict[str, ClassTuning]) -> None:
    manifest = tomllib.loads(path.read_text())
    applied = applied_calibration(manifest)
    entries = [
        tuned_class_entry(entry, tunings[entry["name"]], applied[entry["name"]])
        if entry["name"] in tunings
        else entry
        for entry in manifest["class"]
    ]
    write_manifest(path, {**manifest, "class": entries})
    print(f"written to {path}")


def compare_command(arguments: argparse.Namespace) -> int:
    """Compare two runs' quantized networks, figure by figure."""
    truths = _truths(arguments)
    runs = []
    for folder in (arguments.first, arguments.second):
        every = [
            pair_frames(truths, load_counted(folder / name))
            for name in ("int8.jsonl", "int8_all.jsonl")
        ]
        for _, missing in every:
            if missing:
                raise RecordError(f"{folder}: no line for {missing[0]}; count all frames first")
        runs.append(Counted(*(pairs for pairs, _ in every)))
    print(table(compare(*runs)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, required=True, help="folder that holds images/")
    common.add_argument("--coco", type=Path, required=True, help="COCO JSON, in the data folder")
    common.add_argument("--source", nargs="+", help="only frames of these sources")
    scored = argparse.ArgumentParser(add_help=False)
    scored.add_argument("--out", type=Path, required=True, help="folder for the report")
    scored.add_argument(
        "--strict", action="store_true", help="exit 1 unless every figure is reached"
    )

    run = commands.add_parser("run", parents=[common, scored], help="run the program and score it")
    run.add_argument("--program", type=Path, required=True, help="the hemoscope program")
    run.add_argument("--model", type=Path, required=True, help="folder of the model")
    run.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="what to run")
    run.add_argument("--write-metrics", action="store_true", help="keep figures in the manifest")
    run.set_defaults(command=run_command)

    score = commands.add_parser("score", parents=[common, scored], help="score JSON lines")
    score.add_argument("--cells", type=Path, required=True, help="lines of `count --json`")
    score.add_argument("--all-cells", type=Path, help="lines of `count --json --all-cells`")
    score.add_argument("--name", default="counted", help="name in the tables")
    score.set_defaults(command=score_command)

    tuned = commands.add_parser("tune", parents=[common], help="choose thresholds, calibrate")
    tuned.add_argument("--all-cells", type=Path, required=True, help="lines of `--all-cells`")
    tuned.add_argument("--model", type=Path, help="folder of the model that printed the lines")
    tuned.set_defaults(command=tune_command)

    compared = commands.add_parser("compare", parents=[common], help="compare two runs")
    compared.add_argument("--first", type=Path, required=True, help="--out of one `run`")
    compared.add_argument("--second", type=Path, required=True, help="--out of the other")
    compared.set_defaults(command=compare_command)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Parse the command line and run it; returns the exit code."""
    arguments = _parser().parse_args(words)
    try:
        return arguments.command(arguments)
    except (ProgramError, RecordError, OSError, ValueError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
