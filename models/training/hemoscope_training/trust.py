"""What the program says of smears, as they are and made worse: a plain result, remarks, withheld.

    python -m hemoscope_training.trust --program P --model M --data DIR --out DIR

A smear is ten frames of one source. Each condition spoils all of them in one known way; a
condition that a gate is meant for has done its work where no smear ends as a plain result.
Nothing here decides: every verdict is that of `hemoscope count --json --summary`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from hemoscope_training.program import RBC_DIAMETER_UM, ProgramError
from hemoscope_training.records import TruthFrame, load_truth

FRAMES_PER_SMEAR = 10
SECONDS_PER_SMEAR_MAX = 600

Pixels = np.ndarray
"""A frame as floating-point red, green and blue, height x width x 3, 0 to 255."""


@dataclass(frozen=True)
class Smear:
    """Ten frames of one source, and the diameter of a red cell in them."""

    name: str
    frames: Sequence[Pixels]
    rbc_px: float


@dataclass(frozen=True)
class Condition:
    """One way to spoil a smear.

    Attributes:
        name: what a reader of the table sees.
        spoil: gives the frames that the program is shown.
        scale: factor from the true micrometres per pixel to the given ones; 1 is right.
    """

    name: str
    spoil: Callable[[Smear], Sequence[Pixels]]
    scale: float = 1.0


@dataclass
class Outcome:
    """What became of all smears under one condition."""

    verdicts: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    fields: int = 0
    refused: int = 0


def _each(change: Callable[[Pixels, float], Pixels]) -> Callable[[Smear], list[Pixels]]:
    return lambda smear: [change(frame, smear.rbc_px) for frame in smear.frames]


def _blurred(frame: Pixels, sigma_px: float) -> Pixels:
    image = Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(sigma_px))).astype(float)


def _half_blurred(frame: Pixels, rbc_px: float) -> Pixels:
    half = frame.shape[1] // 2
    return np.concatenate([_blurred(frame, rbc_px / 8)[:, :half], frame[:, half:]], axis=1)


def _moved(frame: Pixels, rbc_px: float) -> Pixels:
    """Moved by a third of a red cell along the rows while it was exposed."""
    steps = range(max(2, round(rbc_px / 3)))
    return sum(np.roll(frame, step, axis=1) for step in steps) / len(steps)


def _behind_a_rim(frame: Pixels, _: float) -> Pixels:
    """As an eyepiece shows it: a round field, black outside."""
    height, width = frame.shape[:2]
    y, x = np.ogrid[:height, :width]
    radius = 0.48 * min(height, width)
    is_outside = np.hypot(x - width / 2, y - height / 2) > radius
    return np.where(is_outside[..., None], 12.0, frame)


def _doubled(shift: float) -> Callable[[Pixels, float], Pixels]:
    """Exposed twice, the second time shifted by so many red cells."""
    return lambda frame, rbc_px: (frame + np.roll(frame, round(shift * rbc_px), axis=1)) / 2


def _exposed_over_the_next(smear: Smear) -> list[Pixels]:
    """Each frame exposed over the one after it, half the light each."""
    pairs = zip(smear.frames, [*smear.frames[1:], smear.frames[0]], strict=True)
    return [(a + b) / 2 if a.shape == b.shape else a for a, b in pairs]


def _layered(layers: int) -> Callable[[Smear], list[Pixels]]:
    """Frames laid over one another by multiplying their transmission, as thick places are."""

    def spoil(smear: Smear) -> list[Pixels]:
        spoilt = []
        for index, frame in enumerate(smear.frames):
            layered = frame / 255
            for step in range(1, layers):
                other = smear.frames[(index + step) % len(smear.frames)]
                if other.shape == frame.shape:
                    layered = layered * other / max(1.0, np.percentile(other, 95))
            spoilt.append(layered * 255)
        return spoilt

    return spoil


def _specked(smear: Smear) -> list[Pixels]:
    """Five dark specks at the same places of every frame, as dust on a sensor is."""
    places = np.random.default_rng(3).uniform(0.1, 0.9, (5, 2))
    spoilt = []
    for frame in smear.frames:
        height, width = frame.shape[:2]
        y, x = np.mgrid[0:height, 0:width]
        shade = np.ones((height, width))
        for place_y, place_x in places:
            distance = np.hypot(y - place_y * height, x - place_x * width)
            shade = np.minimum(shade, np.where(distance < 0.15 * smear.rbc_px, 0.45, 1.0))
        spoilt.append(_blurred(frame * shade[..., None], 1.0))
    return spoilt


def _mixed(smear: Smear) -> list[Pixels]:
    """Every third frame at half its magnification."""

    def halved(frame: Pixels) -> Pixels:
        image = Image.fromarray(frame.astype(np.uint8))
        small = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        return np.asarray(small).astype(float)

    return [halved(f) if i % 3 == 0 else f for i, f in enumerate(smear.frames)]


def _with_overlaps(smear: Smear) -> list[Pixels]:
    """Each frame twice: its left and its right three quarters."""
    parts = []
    for frame in smear.frames:
        width = frame.shape[1] * 3 // 4
        parts += [frame[:, :width], frame[:, -width:]]
    return parts


def _turned(degrees: float) -> Callable[[Pixels, float], Pixels]:
    """Colours turned about grey, as by a wrong colour matrix or a hue setting."""
    angle, axis = np.deg2rad(degrees), np.ones(3) / np.sqrt(3)
    x, y, z = axis
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * across
    turn += (1 - np.cos(angle)) * np.outer(axis, axis)
    return lambda frame, _: frame @ turn.T


def _saturated(factor: float) -> Callable[[Pixels, float], Pixels]:
    """Colours further from grey, or nearer to it."""

    def change(frame: Pixels, _: float) -> Pixels:
        grey = frame.mean(axis=2, keepdims=True)
        return grey + factor * (frame - grey)

    return change


def _exchanged_late(smear: Smear) -> list[Pixels]:
    """Red and blue exchanged from the middle of the smear on."""
    half = len(smear.frames) // 2
    return [f if i < half else f[..., ::-1] for i, f in enumerate(smear.frames)]


AS_IT_IS = Condition("as they are", lambda smear: smear.frames)

COLOUR_CONDITIONS = [
    Condition("red and blue exchanged", _each(lambda frame, _: frame[..., ::-1])),
    Condition("green and blue exchanged", _each(lambda frame, _: frame[..., [0, 2, 1]])),
    *(
        Condition(f"colours turned by {degrees} degrees", _each(_turned(degrees)))
        for degrees in (20, 40, 80, 120, 180, -40, -80)
    ),
    *(
        Condition(f"{factor} times as colourful", _each(_saturated(factor)))
        for factor in (0.25, 0.5, 1.8)
    ),
    Condition("gamma 2.2", _each(lambda f, _: 255 * (f.clip(0) / 255) ** 2.2)),
]
"""Those that change colours alone, alike in every frame."""

CONDITIONS = [
    AS_IT_IS,
    *(
        Condition(f"given scale x {factor}", lambda smear: smear.frames, factor)
        for factor in (0.4, 0.62, 0.75, 0.85, 0.92, 1.08, 1.15, 1.25, 1.6)
    ),
    Condition("two fields over one another", _layered(2)),
    Condition("four fields over one another", _layered(4)),
    Condition("0.42 times as bright", _each(lambda frame, _: 0.42 * frame)),
    Condition("1.3 times as bright", _each(lambda frame, _: 1.3 * frame)),
    Condition("a quarter of the contrast", _each(lambda frame, _: 200 + (frame - 200) / 4)),
    *(
        Condition(
            f"blurred by 1/{part} of a red cell",
            _each(lambda frame, rbc_px, part=part: _blurred(frame, rbc_px / part)),
        )
        for part in (32, 16, 8)
    ),
    Condition("left half blurred by 1/8", _each(_half_blurred)),
    Condition("moved by a third of a red cell during the exposure", _each(_moved)),
    Condition("behind a round rim", _each(_behind_a_rim)),
    *(
        Condition(f"double exposure, {shift} of a red cell apart", _each(_doubled(shift)))
        for shift in (0.15, 0.3, 0.6, 1.3)
    ),
    Condition("double exposure of two fields", _exposed_over_the_next),
    *COLOUR_CONDITIONS,
    Condition("red and blue exchanged from the middle on", _exchanged_late),
    Condition("five specks on the sensor", _specked),
    Condition("every third frame at half the magnification", _mixed),
    Condition("each field twice, overlapping by two thirds", _with_overlaps),
]
"""What every smear is put through, in the order of the table."""


def smears(truths: Sequence[TruthFrame], data: Path, most: int) -> Iterator[Smear]:
    """Yield up to `most` smears of ten frames for each source, drawn without replacement."""
    by_source: dict[tuple[str, float], list[TruthFrame]] = {}
    for truth in truths:
        by_source.setdefault((truth.source, truth.rbc_px), []).append(truth)
    for (source, rbc_px), frames in by_source.items():
        order = np.random.default_rng(5).permutation(len(frames))
        for number in range(min(most, len(frames) // FRAMES_PER_SMEAR)):
            chosen = order[number * FRAMES_PER_SMEAR :][:FRAMES_PER_SMEAR]
            paths = [data / frames[index].name for index in chosen]
            pixels = [np.asarray(Image.open(path).convert("RGB")).astype(float) for path in paths]
            yield Smear(f"{source} {number + 1}", pixels, rbc_px)


def judge(program: Sequence[str], smear: Smear, condition: Condition, outcome: Outcome) -> None:
    """Show one spoilt smear to the program, and add what it said to `outcome`.

    Raises:
        ProgramError: it ended otherwise than with a summary or with every frame refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        frames = condition.spoil(smear)
        for index, frame in enumerate(frames):
            image = Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8))
            image.save(Path(folder) / f"{index:02}.png", compress_level=1)
        um_per_px = condition.scale * RBC_DIAMETER_UM / smear.rbc_px
        command = [*program, "--json", "--summary", "--um-per-px", f"{um_per_px:.6f}", folder]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS_PER_SMEAR_MAX, check=False
        )
    lines = done.stdout.splitlines()
    summary = json.loads(lines[-1]).get("summary") if lines else None
    if summary is None:
        if "nothing was counted" not in done.stderr:
            raise ProgramError(f"'{' '.join(command)}' gave no summary; it said:\n{done.stderr}")
        outcome.verdicts["all refused"] += 1
        outcome.refused += len(frames)
        return
    outcome.verdicts[summary["verdict"]] += 1
    outcome.fields += summary["fields"]
    outcome.refused += summary["not_counted"] + summary["left_out"]
    outcome.findings.update(finding["id"] for finding in summary["findings"])


VERDICTS = ("result", "result_with_remarks", "withheld", "all refused")


def table(outcomes: dict[str, Outcome]) -> str:
    """The outcomes as a table in Markdown, a row for each condition."""
    rows = [
        "| condition | plain result | with remarks | withheld | all refused | fields refused "
        "| findings |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, outcome in outcomes.items():
        shown = max(1, outcome.fields + outcome.refused)
        counts = " | ".join(str(outcome.verdicts[verdict]) for verdict in VERDICTS)
        findings = ", ".join(f"{name} {count}" for name, count in outcome.findings.most_common(3))
        share = f"{100 * outcome.refused / shown:.0f} %"
        rows.append(f"| {name} | {counts} | {share} | {findings} |")
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every condition over every smear; write `trust.md` into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev.json, images/")
    parser.add_argument("--coco", default="dev.json", help="which annotations name the frames")
    parser.add_argument("--smears", type=int, default=2, help="smears of each source at most")
    parser.add_argument("--only", default="", help="run conditions whose name holds this")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    program = [str(options.program), "count", "--model", str(options.model)]
    chosen = [condition for condition in CONDITIONS if options.only in condition.name]
    outcomes = {condition.name: Outcome() for condition in chosen}
    truths = load_truth(options.data / options.coco)
    for smear in smears(truths, options.data, options.smears):
        for condition in chosen:
            judge(program, smear, condition, outcomes[condition.name])
    options.out.mkdir(parents=True, exist_ok=True)
    text = table(outcomes)
    (options.out / "trust.md").write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
