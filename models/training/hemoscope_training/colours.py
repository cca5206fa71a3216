"""Measures the colours of the cells that a model was trained on, and keeps them in its manifest.

    python -m hemoscope_training.colours --program P --model M --data DIR [--write]
    python -m hemoscope_training.colours --program P --model M --data DIR --coco dev.json --spoiled

With --spoiled it prints how far smears of such frames lie from that table once their colours are
changed, a row for each condition of `trust`.

The program itself says of every training frame how its cells take light. Each source of frames has
the same weight, however many frames it has; how far the sources lie from one another counts as
scatter, since the next microscope will differ from all of them too.
"""

import argparse
import json
import math
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hemoscope_training.manifest import write_manifest
from hemoscope_training.program import Mode, Program, ProgramError, by_source
from hemoscope_training.records import TruthFrame, load_truth
from hemoscope_training.trust import AS_IT_IS, COLOUR_CONDITIONS, FRAMES_PER_SMEAR, Smear

INVERSE_SCALE = 1e9
"""The inverse covariance, of features in thousandths, stands in the manifest in parts of this."""


@dataclass(frozen=True)
class FrameColours:
    """Red by green, blue by green and depth of a frame's cells, in thousandths.

    Attributes:
        source: where the frame comes from.
        red: (3,) of the red cells.
        white: (3,) of the white cells; None without any.
    """

    source: str
    red: np.ndarray
    white: np.ndarray | None


def read_colours(lines: Iterable[str], truths: Sequence[TruthFrame]) -> list[FrameColours]:
    """Read what `hemoscope count --json` says; frames without enough red cells are left out."""
    sources = {Path(truth.name).name: truth.source for truth in truths}
    frames = []
    for line in lines:
        record = json.loads(line)
        red, white = (record["colours"][key] for key in ("red_cells", "white_cells"))
        if red is not None:
            source = sources[Path(record["image"]).name]
            kept = None if white is None else np.array(white, float)
            frames.append(FrameColours(source, np.array(red, float), kept))
    return frames


def cloud(features: Sequence[np.ndarray]) -> dict[str, list]:
    """Mean and inverse covariance of features, (n, k) for each source, in the manifest's units."""
    mean = np.mean([rows.mean(axis=0) for rows in features], axis=0)
    scatter = [(rows - mean).T @ (rows - mean) / len(rows) for rows in features]
    inverse = np.linalg.inv(np.mean(scatter, axis=0)) * INVERSE_SCALE
    rounded = np.rint((inverse + inverse.T) / 2).astype(int)
    return {"mean_permille": np.rint(mean).astype(int).tolist(), "inverse_e9": rounded.tolist()}


def manifest_entries(frames: Sequence[FrameColours]) -> dict[str, dict[str, list]]:
    """Give the manifest's table `[colour]`."""
    red: dict[str, list[np.ndarray]] = {}
    both: dict[str, list[np.ndarray]] = {}
    for frame in frames:
        red.setdefault(frame.source, []).append(frame.red)
        if frame.white is not None:
            row = np.concatenate([frame.red[:2], frame.white[:2]])
            both.setdefault(frame.source, []).append(row)
    return {
        "red": cloud([np.array(rows) for rows in red.values()]),
        "red_and_white": cloud([np.array(rows) for rows in both.values()]),
    }


FIELDS_MIN = 5
"""Fields without which the program says nothing of a smear's colours."""
SMEARS_DRAWN = 100
PERCENTILES = (2, 50, 98)


def distance(table: dict[str, dict[str, list]], smear: Sequence[FrameColours]) -> float:
    """Compute a smear's distance as the program does, but for its rounding; NaN for too few."""
    if len(smear) < FIELDS_MIN:
        return math.nan
    red = np.median([frame.red for frame in smear], axis=0)
    features = {"red": red}
    white = [frame.white[:2] for frame in smear if frame.white is not None]
    if len(white) >= FIELDS_MIN:
        features["red_and_white"] = np.concatenate([red[:2], np.median(white, axis=0)])
    squares = []
    for name, values in features.items():
        off = values - table[name]["mean_permille"]
        squares.append(off @ np.array(table[name]["inverse_e9"]) @ off / INVERSE_SCALE)
    return math.sqrt(max(0.0, *squares))


def spoiled_table(program: Program, truths: Sequence[TruthFrame], table: dict) -> str:
    """Make a table in Markdown: percentiles of the distances of smears of each source."""
    smears = {source: whole_source(program, frames) for source, frames in by_source(truths).items()}
    rows = [
        f"| colours | {' | '.join(source for source, _ in smears)} |",
        "|---" * (len(smears) + 1) + "|",
    ]
    for condition in (AS_IT_IS, *COLOUR_CONDITIONS):
        cells = []
        for (source, rbc_px), smear in smears.items():
            frames = _counted_colours(program, source, rbc_px, condition.spoil(smear))
            cells.append(_percentiles_text(table, frames))
        rows.append(f"| {condition.name} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def whole_source(program: Program, frames: Sequence[TruthFrame]) -> Smear:
    """Every frame of a source as one smear."""
    paths = [program.data / frame.name for frame in frames]
    pixels = [np.asarray(Image.open(path).convert("RGB")).astype(float) for path in paths]
    return Smear(frames[0].source, pixels, frames[0].rbc_px)


def _counted_colours(
    program: Program, source: str, rbc_px: float, frames: Sequence[np.ndarray]
) -> list[FrameColours]:
    """Have the program count changed frames, and read their colours."""
    with tempfile.TemporaryDirectory() as folder:
        truths = []
        for index, frame in enumerate(frames):
            name = f"{index:04}.png"
            image = Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8))
            image.save(Path(folder) / name, compress_level=1)
            box = np.zeros((0, 4))
            truths.append(
                TruthFrame(name, *image.size, source, index, rbc_px, 0.0, box, np.zeros(0, int))
            )
        shown = Program(program.executable, program.model, Path(folder))
        try:
            return read_colours(shown.count(truths, Mode(source)), truths)
        except ProgramError:
            # Every frame was refused.
            return []


def _percentiles_text(table: dict, frames: Sequence[FrameColours]) -> str:
    """Percentiles of the distances of smears drawn from some frames; `-` for too few."""
    if len(frames) < FIELDS_MIN:
        return "-"
    random = np.random.default_rng(5)
    size = min(FRAMES_PER_SMEAR, len(frames))
    drawn = [random.choice(len(frames), size, replace=False) for _ in range(SMEARS_DRAWN)]
    distances = [distance(table, [frames[at] for at in places]) for places in drawn]
    return " ".join(f"{value:.1f}" for value in np.percentile(distances, PERCENTILES))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it into the manifest where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.json, images/")
    parser.add_argument("--coco", default="train.json", help="which annotations name the frames")
    parser.add_argument(
        "--spoiled", action="store_true", help="hold changed frames against the manifest's table"
    )
    parser.add_argument("--write", action="store_true", help="keep the table in the manifest")
    options = parser.parse_args(arguments)
    truths = load_truth(options.data / options.coco)
    program = Program(options.program.absolute(), options.model, options.data)
    path = options.model / "manifest.toml"
    if options.spoiled:
        table = tomllib.loads(path.read_text())["colour"]
        print(spoiled_table(program, truths, table), end="")
        return 0
    frames = read_colours(program.count(truths, Mode("colours")), truths)
    table = manifest_entries(frames)
    print(json.dumps({"frames": len(frames), **table}))
    if options.write:
        write_manifest(path, {**tomllib.loads(path.read_text()), "colour": table})
    return 0


if __name__ == "__main__":
    sys.exit(main())
