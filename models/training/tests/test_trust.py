"""The conditions spoil what they say, and the table adds up what the program said."""

import json
from pathlib import Path

import numpy as np
import pytest

from hemoscope_training.program import ProgramError
from hemoscope_training.trust import AS_IT_IS, CONDITIONS, Outcome, Smear, judge, table


def smear() -> Smear:
    """Ten frames that all differ."""
    random = np.random.default_rng(1)
    return Smear("drawn", [random.uniform(60, 220, (48, 64, 3)) for _ in range(10)], 20.0)


def test_every_condition_gives_frames_and_all_but_the_scales_change_them() -> None:
    whole = smear()
    for condition in CONDITIONS:
        frames = condition.spoil(whole)
        same = len(frames) == 10 and all(
            np.array_equal(a, b) for a, b in zip(frames, whole.frames, strict=True)
        )
        is_about_scale = condition is AS_IT_IS or condition.scale != 1.0
        assert same == is_about_scale, condition.name


def program(folder: Path, line: str, error: str = "") -> list[str]:
    """A program that says one line, whatever it is asked."""
    script = folder / "program"
    script.write_text(f"#!/bin/sh\nprintf '%s' '{error}' >&2\nprintf '%s' '{line}'\n")
    script.chmod(0o755)
    return [str(script)]


def test_the_summary_is_added_up(tmp_path: Path) -> None:
    summary = {
        "verdict": "withheld",
        "fields": 7,
        "not_counted": 2,
        "left_out": 1,
        "findings": [{"id": "two_scales"}],
    }
    outcome = Outcome()
    line = json.dumps({"summary": summary})
    for _ in range(2):
        judge(program(tmp_path, line), smear(), AS_IT_IS, outcome)
    assert "| as they are | 0 | 0 | 2 | 0 | 30 % | two_scales 2 |" in table(
        {AS_IT_IS.name: outcome}
    )


def test_frames_that_are_all_refused_are_an_outcome_and_a_failure_is_an_error(
    tmp_path: Path,
) -> None:
    outcome = Outcome()
    refusing = program(tmp_path, "", "nothing was counted; the messages above say why")
    judge(refusing, smear(), AS_IT_IS, outcome)
    assert outcome.verdicts["all refused"] == 1
    with pytest.raises(ProgramError, match="no summary"):
        judge(program(tmp_path, "", "no model"), smear(), AS_IT_IS, outcome)
