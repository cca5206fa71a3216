"""What each preprocessing step does to accuracy: python -m hemoscope_training.ablation.

Runs the program on annotated frames with every optional step switched on alone, through its own
configuration file, and prints one table. The network was trained on frames without these steps,
but with strong changes of stain, light, blur and noise.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from hemoscope_training.program import Mode, Program
from hemoscope_training.records import load_truth, parse_counted
from hemoscope_training.report import make_run

STEPS = {
    "none (as shipped)": (),
    "flat field": ("flat_field",),
    "white balance": ("white_balance",),
    "contrast": ("contrast",),
    "noise (3x3 median)": ("denoise",),
    "all four": ("flat_field", "white_balance", "contrast", "denoise"),
}
CLASSES = ("RBC", "WBC", "PLT")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--coco", default="dev.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for lines and the table")
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    truths = load_truth(settings.data / settings.coco)
    program = Program(settings.program.absolute(), settings.model, settings.data)
    lines = [
        "| step | mAP50 | F1 RBC | F1 WBC | F1 PLT | RBC count per image |",
        "|---|---|---|---|---|---|",
    ]
    for name, steps in STEPS.items():
        config = settings.out / f"{'-'.join(steps) or 'none'}.toml"
        config.write_text("[preprocess]\n" + "".join(f"{step} = true\n" for step in steps))
        mode = Mode(name, config=config.absolute())
        counted = parse_counted(list(program.count(truths, mode)), name)
        every = list(program.count(truths, replace(mode, all_cells=True)))
        scores = make_run(name, truths, counted, parse_counted(every, name)).scores
        f1 = " | ".join(f"{scores.classes[label].f1.value:.3f}" for label in CLASSES)
        per_image = scores.classes["RBC"].count_accuracy_per_frame.value
        lines.append(f"| {name} | {scores.map50:.4f} | {f1} | {100 * per_image:.1f} % |")
    text = "\n".join(lines) + "\n"
    (settings.out / "ablation.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
