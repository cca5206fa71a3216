"""The command line with a stand-in for the program, from COCO file to report."""

import json
import sys
import tomllib

import numpy as np
import pytest
from build import truth

from hemoscope_training import evaluate
from hemoscope_training.plots import plot_training, read_history
from hemoscope_training.program import Mode, Program, ProgramError, batches

STAND_IN = """#!{python}
import json, os, sys
words = sys.argv[1:]
scale = float(words[words.index("--um-per-px") + 1]) if "--um-per-px" in words else 0.2
truth = json.load(open({coco!r}))
boxes = {{}}
names = {{image["id"]: os.path.basename(image["file_name"]) for image in truth["images"]}}
for item in truth["annotations"]:
    x, y, width, height = item["bbox"]
    cell = {{"class": ["RBC", "WBC", "PLT"][item["category_id"] - 1], "confidence": 0.9}}
    cell.update(box=[x, y, x + width, y + height], counted=True)
    boxes.setdefault(names[item["image_id"]], []).append(cell)
with open({log!r}, "a") as log:
    print(*words, file=log)
for path in sys.stdin.read().split():
    cells = boxes.get(os.path.basename(path), [])
    if "--all-cells" in words:
        cells = cells + [
            {{"class": name, "box": [0, 0, 4, 4], "confidence": 0.1, "counted": True}}
            for name in ("RBC", "WBC", "PLT")
        ]
    print(json.dumps({{"image": path, "um_per_px": scale, "cells": cells}}), flush=True)
"""


@pytest.fixture
def workshop(tmp_path):
    """A data folder with twelve frames of two sources, a model and a perfect program."""
    images, annotations = [], []
    for number in range(12):
        source = "north" if number < 8 else "south"
        entry = {"id": number, "file_name": f"images/{number}.png", "width": 90, "height": 90}
        images.append({**entry, "source": source, "rbc_px": 25.0 if source == "north" else 50.0})
        for category, x in ((1, 10), (1, 40), (2, 60), (3, 75)):
            box = [x, 20, 12, 12]
            annotations.append({"image_id": number, "category_id": category, "bbox": box})
    categories = [{"id": n, "name": name} for n, name in enumerate(("RBC", "WBC", "PLT"), 1)]
    coco = tmp_path / "dev.json"
    coco.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    program = tmp_path / "program"
    log = tmp_path / "log"
    program.write_text(STAND_IN.format(python=sys.executable, coco=str(coco), log=str(log)))
    program.chmod(0o755)
    model = tmp_path / "model"
    model.mkdir()
    entry = "certain_permyriad = 5000\ncandidate_permyriad = 2500\ncalibration_slope_q8 = 256\n"
    entries = "".join(
        f'[[class]]\nname = "{name}"\n{entry}calibration_intercept_q8 = 0\n\n'
        for name in ("RBC", "WBC", "PLT")
    )
    (model / "manifest.toml").write_text(f'format = 1\nname = "model"\n\n{entries}')
    return tmp_path


def common(folder) -> list[str]:
    return ["--data", str(folder), "--coco", "dev.json"]


def run(folder, *words: str) -> int:
    program = ["--program", str(folder / "program"), "--model", str(folder / "model")]
    return evaluate.main(["run", *common(folder), *program, "--out", str(folder / "out"), *words])


def test_a_perfect_program_reaches_every_figure(workshop, capsys):
    assert run(workshop, "--strict", "--write-metrics") == 0
    printed = capsys.readouterr().out
    assert printed.count("PASS") == 11
    assert "FAIL" not in printed
    report = json.loads((workshop / "out" / "report.json").read_text())
    assert report["runs"]["int8, given scale"]["all"]["map50"] == pytest.approx(1.0)
    manifest = tomllib.loads((workshop / "model" / "manifest.toml").read_text())
    assert manifest["metrics"]["dev_f1_rbc"] == 1.0
    assert set(manifest["count_scatter"].values()) == {0.0}
    assert "scatter of counts between sources" in printed
    for name in ("counts", "confusion", "precision_recall", "reliability", "sources"):
        assert (workshop / "out" / f"{name}.png").stat().st_size > 5000, name
        assert len((workshop / "out" / f"{name}.csv").read_text().splitlines()) > 1, name


def test_the_program_is_given_each_source_its_scale_and_each_mode_its_flags(workshop):
    run(workshop)
    words = (workshop / "log").read_text().splitlines()
    model = workshop / "model"
    base = f"count --json --independent --model {model}"
    assert words == [
        f"{base} --um-per-px 0.300000 -",
        f"{base} --um-per-px 0.150000 -",
        f"{base} --all-cells --um-per-px 0.300000 -",
        f"{base} --all-cells --um-per-px 0.150000 -",
        f"{base} --plain --um-per-px 0.300000 -",
        f"{base} --plain --um-per-px 0.150000 -",
        f"{base} --plain --all-cells --um-per-px 0.300000 -",
        f"{base} --plain --all-cells --um-per-px 0.150000 -",
        f"{base} -",
        f"{base} -",
        f"{base} --all-cells -",
        f"{base} --all-cells -",
    ]
    scales = (workshop / "out" / "scale.csv").read_text().splitlines()
    assert scales[1] == "images/0.png,north,0.3,0.2,0.6667"


def test_tuning_writes_thresholds_into_the_manifest(workshop):
    run(workshop, "--modes", "int8")
    words = ["--all-cells", str(workshop / "out" / "int8_all.jsonl")]
    words += ["--model", str(workshop / "model")]
    assert evaluate.main(["tune", *common(workshop), *words]) == 0
    manifest = tomllib.loads((workshop / "model" / "manifest.toml").read_text())
    assert manifest["name"] == "model"
    for entry in manifest["class"]:
        assert entry["calibration_slope_q8"] > 256, "separable confidences are sharpened"
        assert 500 < entry["certain_permyriad"] < 9500


def test_scoring_lines_without_a_frame_names_it(workshop, capsys):
    lines = workshop / "lines.jsonl"
    lines.write_text(json.dumps({"image": "0.png", "cells": []}) + "\n")
    out = ["--cells", str(lines), "--out", str(workshop / "out")]
    assert evaluate.main(["score", *common(workshop), *out]) == 0
    printed = capsys.readouterr().out
    assert "no report for images/1.png" in printed
    assert "FAIL  mAP50: nan" in printed
    assert evaluate.main(["score", *common(workshop), *out, "--strict"]) == 1


def test_bad_input_ends_with_a_message(workshop, capsys):
    failing = workshop / "failing"
    failing.write_text("#!/bin/sh\necho 'model.onnx: not there' >&2\nexit 3\n")
    failing.chmod(0o755)
    program = ["--model", "m", "--out", str(workshop / "out"), "--program"]
    score = ["--out", str(workshop / "out"), "--cells"]
    cases = [
        (["run", *common(workshop), *program, str(failing)], "model.onnx: not there"),
        (["run", *common(workshop), *program, str(workshop / "none")], "cannot be run"),
        (["score", *common(workshop), *score, "none.jsonl"], "none.jsonl"),
        (["score", *common(workshop), "--source", "west", *score, "x"], "no frames left"),
    ]
    wrong = {}
    for words, expected in cases:
        status = evaluate.main(words)
        said = capsys.readouterr().err
        if status != 2 or expected not in said:
            wrong[expected] = (status, said)
    assert not wrong


def test_two_runs_are_compared(workshop, capsys):
    run(workshop, "--modes", "int8")
    capsys.readouterr()
    out = str(workshop / "out")
    words = ["compare", *common(workshop), "--first", out, "--second", out]
    assert evaluate.main(words) == 0
    assert "| F1 PLT | 1.0000 | 1.0000 | +0.0000" in capsys.readouterr().out
    lines = (workshop / "out/int8.jsonl").read_text().splitlines(keepends=True)
    (workshop / "out/int8.jsonl").write_text("".join(lines[1:]))
    assert evaluate.main(words) == 2
    assert "no line for" in capsys.readouterr().err


def test_a_program_that_stops_half_way_is_scored_and_reported(workshop, capfd):
    half = workshop / "half"
    half.write_text(
        f"#!{sys.executable}\nimport sys\n"
        'print(\'{"image": "%s", "cells": []}\' % sys.stdin.readline().strip())\n'
        "sys.exit('gave up')\n"
    )
    half.chmod(0o755)
    frames = [truth(name=f"{n}.png") for n in range(3)]
    lines = list(Program(half, None, workshop).count(frames, Mode("half")))
    assert len(lines) == 1
    out = capfd.readouterr()
    assert "status 1 after 1 of 3 frames; it said:\ngave up" in out.out + out.err


def test_frames_are_shared_evenly_between_scale_estimates():
    for number, expected in [(1, [1]), (10, [10]), (14, [14]), (18, [9, 9]), (63, [10, 11] * 3)]:
        frames = [truth(name=f"{n}.png") for n in range(number)]
        sizes = [len(batch) for batch, scale in batches(frames, given_scale=False)]
        assert sorted(sizes) == sorted(expected), number


def test_a_source_without_a_scale_is_named():
    with pytest.raises(ProgramError, match="'one' has no rbc_px"):
        list(batches([truth(rbc_px=0.0)], given_scale=True))


def test_a_history_with_gaps_is_drawn(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(
        "epoch,step,loss,heat_loss,box_loss,size_loss,learning_rate,dev_map50,dev_f1_rbc\n"
        "1,10,2.0,1.0,0.5,0.5,0.001,,\n2,20,1.0,0.5,0.3,0.2,0.001,0.8,0.9\n"
    )
    history = read_history(path)
    assert np.isnan(history["dev_map50"][0])
    plot_training(history, tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000
    path.write_text("epoch,loss\n")
    with pytest.raises(ValueError, match="holds no rows"):
        read_history(path)
