"""Makes development frames worse step by step, and tells what is refused and what it would cost.

python -m hemoscope_training.quality_ladders --program PROGRAM --data DIR [--ladder NAME ...]
[--every N].
Each step is counted twice by the program: with its limits as they are, which gives the share of
frames that are refused, and with the limits taken away, which gives what the network finds. Prints
one table in Markdown for each ladder, as docs/quality.md shows them.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hemoscope_training.program import ProgramError

RED_CELL_UM = 7.5
CLASSES = ("RBC", "WBC", "PLT")
NO_LIMITS = "[quality]\nblurred_below = 0\ndark_below = 1\nbright_above = 255\n"
CONTRAST_PIVOT = 200.0
NOISE_SEED = 1
TILT_STRIPS = 24

Worsen = Callable[[np.ndarray, float], np.ndarray]
"""Takes levels (height, width, 3) and the diameter of a red cell in pixels; gives levels."""


@dataclass(frozen=True)
class Source:
    """Frames that share a pixel size."""

    red_cell_px: float
    paths: list[Path]


def blurred(diameters: float) -> Worsen:
    """Blur by a Gaussian whose standard deviation is a share of a red cell."""

    def worsen(levels: np.ndarray, red_cell_px: float) -> np.ndarray:
        return (
            levels if diameters == 0 else cv2.GaussianBlur(levels, (0, 0), diameters * red_cell_px)
        )

    return worsen


def partly_blurred(width: float, height: float, diameters: float) -> Worsen:
    """Blur the upper left corner only, of these shares of the frame's sides."""
    blur = blurred(diameters)

    def worsen(levels: np.ndarray, red_cell_px: float) -> np.ndarray:
        rows, columns = round(height * levels.shape[0]), round(width * levels.shape[1])
        worse = levels.copy()
        worse[:rows, :columns] = blur(levels, red_cell_px)[:rows, :columns]
        return worse

    return worsen


def tilted(diameters: float) -> Worsen:
    """Blur more from left to right, as a tilted slide is: sharp at the left, this at the right."""

    def worsen(levels: np.ndarray, red_cell_px: float) -> np.ndarray:
        worse = np.empty_like(levels)
        columns = levels.shape[1]
        for strip in range(TILT_STRIPS):
            here = slice(columns * strip // TILT_STRIPS, columns * (strip + 1) // TILT_STRIPS)
            deviation = diameters * (strip + 0.5) / TILT_STRIPS
            worse[:, here] = blurred(deviation)(levels, red_cell_px)[:, here]
        return worse

    return worsen


def moved(across: int, along: int, diameters: float) -> Worsen:
    """Move evenly by a share of a red cell during the exposure; the edge is repeated outwards."""

    def worsen(levels: np.ndarray, red_cell_px: float) -> np.ndarray:
        pixels = max(1, round(diameters * red_cell_px / np.hypot(across, along)))
        kernel = np.zeros((2 * pixels + 1, 2 * pixels + 1))
        for step in range(pixels):
            kernel[pixels + along * step, pixels + across * step] = 1 / pixels
        return cv2.filter2D(levels, -1, kernel, borderType=cv2.BORDER_REPLICATE)

    return worsen


def exposed(factor: float) -> Worsen:
    """Scale all light; what is above white is lost."""
    return lambda levels, _: levels * factor


def flattened(contrast: float) -> Worsen:
    """Draw all levels towards a bright one."""
    return lambda levels, _: CONTRAST_PIVOT + (levels - CONTRAST_PIVOT) * contrast


def grainy(deviation: float) -> Worsen:
    """Add white noise of so many levels."""
    random = np.random.default_rng(NOISE_SEED)
    return lambda levels, _: levels + random.normal(0, deviation, levels.shape)


PARTS: dict[str, Callable[[float], Worsen]] = {
    "half": lambda diameters: partly_blurred(0.5, 1, diameters),
    "quarter": lambda diameters: partly_blurred(0.5, 0.5, diameters),
    "tilted": tilted,
}

LADDERS: dict[str, list[tuple[str, Worsen]]] = {
    "blur": [("0", blurred(0))]
    + [(f"1/{part}", blurred(1 / part)) for part in (48, 32, 24, 20, 16, 12, 8)],
    "part": [
        (f"{name}, 1/{part}", worsen(1 / part))
        for name, worsen in PARTS.items()
        for part in (24, 16, 12, 8, 5, 3)
    ],
    "motion": [
        (f"{name}, 1/{part}", moved(*step, 1 / part))
        for name, step in {"rows": (1, 0), "columns": (0, 1), "diagonal": (1, 1)}.items()
        for part in (12, 8, 6, 5, 4, 3, 2)
    ],
    "light": [(f"{factor:g}", exposed(factor)) for factor in (1.6, 1.45, 1.3, 1.2, 1.1)]
    + [(f"{factor:g}", exposed(factor)) for factor in (1, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35, 0.25)],
    "contrast": [(f"{share:g}", flattened(share)) for share in (1, 0.7, 0.5, 0.4, 0.3, 0.25, 0.15)],
    "noise": [(f"{deviation}", grainy(deviation)) for deviation in (0, 3, 6, 12, 25)],
}


def load(data: Path, every: int) -> dict[str, Source]:
    """Read one in so many of the development frames, by source."""
    sources: dict[str, Source] = {}
    for entry in json.loads((data / "dev.json").read_text())["images"][::every]:
        source = sources.setdefault(entry["source"], Source(entry["rbc_px"], []))
        source.paths.append(data / entry["file_name"])
    return sources


def count(program: Path, config: Path, folder: Path, red_cell_px: float) -> tuple[int, np.ndarray]:
    """Count a folder; give the frames that were counted and the cells by class.

    Raises:
        ProgramError: nothing was counted, and not since every frame was refused.
    """
    scale = ["--um-per-px", repr(RED_CELL_UM / red_cell_px)]
    command = [program, "count", "--json", "--independent", "--config", config, *scale, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines and "nothing was counted" not in done.stderr:
        raise ProgramError(f"'{program} count' counted nothing; it said:\n{done.stderr}")
    counts = [[line["counts"][name] for name in CLASSES] for line in lines if "counts" in line]
    return len(counts), np.array(counts, int).reshape(-1, len(CLASSES)).sum(0)


def measure(program: Path, sources: dict[str, Source], worsen: Worsen) -> tuple[int, np.ndarray]:
    """Give the refused frames of one step, and what is found in all frames without limits."""
    refused, found = 0, np.zeros(len(CLASSES), int)
    for source in sources.values():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "frames"
            folder.mkdir()
            for path in source.paths:
                levels = worsen(cv2.imread(str(path)).astype(np.float32), source.red_cell_px)
                picture = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / f"{path.stem}.png"), picture)
            usual, open_ = Path(scratch) / "usual.toml", Path(scratch) / "open.toml"
            usual.write_text("")
            open_.write_text(NO_LIMITS)
            refused += len(source.paths) - count(program, usual, folder, source.red_cell_px)[0]
            found += count(program, open_, folder, source.red_cell_px)[1]
    return refused, found


def table(name: str, rows: Sequence[tuple[str, int, np.ndarray]], frames: int) -> str:
    """Write a ladder as a table in Markdown."""
    lines = [f"| {name} | refused of {frames} | RBC | WBC | PLT |", "|---|---|---|---|---|"]
    lines += [
        f"| {step} | {refused} | {' | '.join(map(str, found))} |" for step, refused, found in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ladder", choices=LADDERS, action="append")
    parser.add_argument("--every", type=int, default=1, help="take one frame in so many")
    settings = parser.parse_args()
    sources = load(settings.data, settings.every)
    frames = sum(len(source.paths) for source in sources.values())
    for name in settings.ladder or LADDERS:
        rows = [
            (step, *measure(settings.program.absolute(), sources, worsen))
            for step, worsen in LADDERS[name]
        ]
        print(table(name, rows, frames), "\n", flush=True)


if __name__ == "__main__":
    main()
