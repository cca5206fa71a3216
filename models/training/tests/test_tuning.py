import numpy as np
import pytest

from hemoscope_training.evaluate import applied_calibration, tuned_class_entry
from hemoscope_training.scoring import Candidates
from hemoscope_training.tuning import (
    THRESHOLDS,
    Calibration,
    choose_threshold,
    f1_by_threshold,
    fit_calibration,
    logit,
    sigmoid,
    tune_class,
)


def candidates(confidences, right, truth: int) -> Candidates:
    confidences, right = np.asarray(confidences, float), np.asarray(right, bool)
    order = np.argsort(-confidences, kind="stable")
    return Candidates(confidences[order], right[order], truth, np.zeros(len(order), int))


def drawn(slope: float, intercept: float, number: int = 20_000) -> Candidates:
    """Candidates whose true probability is sigmoid(slope * logit + intercept)."""
    generator = np.random.default_rng(11)
    confidences = generator.uniform(0.05, 0.95, number)
    right = generator.random(number) < Calibration(slope, intercept).apply(confidences)
    return candidates(confidences, right, int(right.sum()))


def test_f1_at_each_threshold():
    items = candidates([0.9, 0.6, 0.3], [True, False, True], truth=2)
    f1, reported = f1_by_threshold(items)
    at = {round(float(t), 3): n for n, t in enumerate(THRESHOLDS)}
    expected = {0.05: (3, 0.8), 0.3: (3, 0.8), 0.5: (2, 0.5), 0.9: (1, 2 / 3), 0.95: (0, 0.0)}
    found = {t: (int(reported[at[t]]), float(f1[at[t]])) for t in expected}
    assert found == {t: (n, pytest.approx(value)) for t, (n, value) in expected.items()}


def test_the_threshold_lies_on_the_plateau_and_not_on_a_spike():
    # Right cells at 0.8 and wrong ones at 0.3: anything in between is as good.
    items = candidates([0.8] * 100 + [0.3] * 40, [True] * 100 + [False] * 40, truth=100)
    index, within = choose_threshold(items)
    assert within
    assert 0.4 < THRESHOLDS[index] < 0.7


def test_the_total_comes_before_the_last_bit_of_f1():
    # 20 further right cells mixed with 60 wrong ones: F1 alone would stop before them.
    confidences = [0.9] * 80 + [0.5] * 20 + [0.2] * 60
    items = candidates(confidences, [True] * 100 + [False] * 60, truth=100)
    index, within = choose_threshold(items)
    _, reported = f1_by_threshold(items)
    assert within
    assert abs(reported[index] - 100) <= 3


def test_without_a_threshold_that_keeps_the_total_f1_decides():
    items = candidates([0.9] * 50 + [0.1] * 5, [True] * 50 + [False] * 5, truth=100)
    index, within = choose_threshold(items)
    assert not within
    assert 0.15 < THRESHOLDS[index] < 0.9


def test_calibration_finds_the_slope_and_intercept_that_made_the_data():
    for slope, intercept in [(1.0, 0.0), (2.0, -0.7), (0.5, 0.4)]:
        fitted = fit_calibration(drawn(slope, intercept))
        assert fitted.slope == pytest.approx(slope, abs=0.08)
        assert fitted.intercept == pytest.approx(intercept, abs=0.08)


def test_calibration_lowers_the_calibration_error():
    tuning = tune_class(drawn(2.0, -0.7))
    assert tuning.error_before > 0.08
    assert tuning.error_after < 0.02


def test_separable_candidates_give_a_finite_calibration():
    fitted = fit_calibration(candidates([0.9] * 30 + [0.1] * 30, [True] * 30 + [False] * 30, 30))
    assert 0 < fitted.slope < 10
    assert np.isfinite(fitted.intercept)


def test_calibration_refuses_what_it_cannot_fit():
    cases = [
        ("only right cells", candidates([0.9, 0.8], [True, True], 2), "right and wrong candidates"),
        ("upside down", candidates([0.9] * 9 + [0.1] * 9, [0] * 9 + [1] * 9, 9), "does not rise"),
    ]
    for _, items, message in cases:
        with pytest.raises(ValueError, match=message):
            fit_calibration(items)


def test_a_second_tuning_builds_on_the_calibration_in_the_manifest():
    entry = {
        "name": "RBC",
        "certain_permyriad": 5000,
        "candidate_permyriad": 2500,
        "calibration_slope_q8": 512,
        "calibration_intercept_q8": -128,
    }
    applied = applied_calibration({"class": [entry]})["RBC"]
    assert (applied.slope, applied.intercept) == (2.0, -0.5)
    tuning = tune_class(drawn(1.5, 0.25))
    tuned = tuned_class_entry(entry, tuning, applied)
    raw = np.linspace(-2, 2, 9)
    in_two_steps = tuning.calibration.apply(sigmoid(applied.slope * raw + applied.intercept))
    slope, intercept = tuned["calibration_slope_q8"] / 256, tuned["calibration_intercept_q8"] / 256
    assert sigmoid(slope * raw + intercept) == pytest.approx(in_two_steps, abs=0.01)
    assert tuned["certain_permyriad"] / 1e4 == pytest.approx(tuning.threshold_calibrated, abs=0.01)
    assert tuned["candidate_permyriad"] <= tuned["certain_permyriad"]
    assert logit(np.array([0.5]))[0] == 0
