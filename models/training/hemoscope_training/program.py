"""Runs `hemoscope count --json` over annotated frames, one process for each pixel size."""

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tqdm import tqdm

from hemoscope_training.records import TruthFrame

RBC_DIAMETER_UM = 7.5
"""Typical diameter of a red cell on a smear."""

FRAMES_PER_ESTIMATE = 10
"""Frames of one source from which the program estimates the scale."""

SECONDS_PER_FRAME_MAX = 60
STDERR_TAIL_LINES = 12


class ProgramError(RuntimeError):
    """The program printed nothing that could be scored; the text holds its own message."""


@dataclass(frozen=True)
class Mode:
    """How the program is asked to count.

    Attributes:
        name: short name for file names and progress.
        given_scale: pass the micrometres per pixel of each source, else let it estimate.
        plain: run the float network instead of the quantized one.
        all_cells: report every candidate under its best class.
        config: configuration file to run with, else the program's defaults.
    """

    name: str
    given_scale: bool = True
    plain: bool = False
    all_cells: bool = False
    config: Path | None = None


@dataclass(frozen=True)
class Program:
    """The program, its model, and the folder below which the images lie."""

    executable: Path
    model: Path | None
    data: Path

    def command(self, mode: Mode, um_per_px: float | None) -> list[str]:
        """The command line; paths of images are read from standard input."""
        command = [str(self.executable), "count", "--json", "--independent"]
        if self.model is not None:
            command += ["--model", str(self.model)]
        if mode.plain:
            command.append("--plain")
        if mode.all_cells:
            command.append("--all-cells")
        if mode.config is not None:
            command += ["--config", str(mode.config)]
        if um_per_px is not None:
            command += ["--um-per-px", f"{um_per_px:.6f}"]
        return [*command, "-"]

    def count(self, frames: Sequence[TruthFrame], mode: Mode) -> Iterator[str]:
        """Yield the printed JSON lines of all frames; the program runs once for each batch."""
        with tqdm(total=len(frames), desc=mode.name, unit="frame") as progress:
            for batch, um_per_px in batches(frames, mode.given_scale):
                paths = [str(self.data / frame.name) for frame in batch]
                yield from _lines(self.command(mode, um_per_px), paths, progress.update)


def by_source(frames: Sequence[TruthFrame]) -> dict[tuple[str, float], list[TruthFrame]]:
    """Frames by source and red cell diameter, in order of first appearance."""
    sources: dict[tuple[str, float], list[TruthFrame]] = {}
    for frame in frames:
        sources.setdefault((frame.source, frame.rbc_px), []).append(frame)
    return sources


def batches(
    frames: Sequence[TruthFrame], given_scale: bool
) -> Iterator[tuple[list[TruthFrame], float | None]]:
    """Yield frames that belong in one run of the program, with their micrometres per pixel.

    Without a given scale each batch holds about `FRAMES_PER_ESTIMATE` frames of one source, all
    batches of a source nearly equal, so that no estimate rests on a few left-over frames.
    """
    for (source, rbc_px), members in by_source(frames).items():
        if given_scale:
            if rbc_px <= 0:
                raise ProgramError(f"source '{source}' has no rbc_px; add it to the COCO file")
            yield members, RBC_DIAMETER_UM / rbc_px
            continue
        count = max(1, round(len(members) / FRAMES_PER_ESTIMATE))
        for part in range(count):
            start, end = (len(members) * edge // count for edge in (part, part + 1))
            yield members[start:end], None


def _lines(
    command: list[str], paths: Sequence[str], advance: Callable[[], object]
) -> Iterator[str]:
    """Run once, yielding each printed line; a hung program is killed after the time limit."""
    with tempfile.TemporaryFile("w+") as listing, tempfile.TemporaryFile("w+") as complaints:
        listing.write("".join(f"{path}\n" for path in paths))
        listing.seek(0)
        try:
            process = subprocess.Popen(
                command, stdin=listing, stdout=subprocess.PIPE, stderr=complaints, text=True
            )
        except OSError as error:
            raise ProgramError(f"{command[0]}: cannot be run ({error.strerror})") from error
        limit = threading.Timer(SECONDS_PER_FRAME_MAX * len(paths), process.kill)
        limit.start()
        printed = 0
        try:
            for line in process.stdout:
                printed += 1
                advance()
                yield line
            process.wait()
        finally:
            limit.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        _check_end(command, process.returncode, printed, len(paths), complaints)


def _check_end(
    command: list[str], status: int, printed: int, expected: int, complaints: IO[str]
) -> None:
    """Refuse a run without any line; say on standard error when only some are missing."""
    if printed == expected and status == 0:
        return
    complaints.seek(0)
    tail = "".join(complaints.readlines()[-STDERR_TAIL_LINES:]).strip()
    message = (
        f"'{' '.join(command)}' ended with status {status} after {printed} of {expected} frames"
    )
    if tail:
        message += f"; it said:\n{tail}"
    if not printed:
        raise ProgramError(message)
    tqdm.write(message)
