"""Chooses reporting thresholds and calibrates confidence from every candidate of a run.

Thresholds maximize F1 smoothed over neighbouring thresholds, so that a lucky step of the curve
does not decide. Calibration is Platt scaling (Platt 1999, "Probabilistic outputs for support
vector machines"): probability = sigmoid(slope * logit(confidence) + intercept), fitted to
Platt's smoothed targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hemoscope_training.records import CLASS_NAMES, FramePair
from hemoscope_training.scoring import Candidates, collect_candidates, score_reliability

THRESHOLDS = np.round(np.arange(0.05, 0.9501, 0.005), 3)
SMOOTHING_HALF_WIDTH = 8
"""Thresholds on either side that take part in the smoothed F1: 0.04 each way."""

PLATEAU_DEPTH = 0.0005
"""A smoothed F1 this close to the best belongs to the same plateau."""

TOTAL_ERROR_MAX = 0.03
CONFIDENCE_MARGIN = 1e-4
"""Confidences are printed to 1/10000; 0 and 1 are moved in by this much before the logit."""

NEWTON_STEPS_MAX = 100
STEP_SIZE_MIN = 1e-10
RIDGE = 1e-6
"""Keeps the fit finite where the classes separate completely."""


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: probability = sigmoid(slope * logit(confidence) + intercept)."""

    slope: float
    intercept: float

    def apply(self, confidences: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (n,) of confidences (n,)."""
        return sigmoid(self.slope * logit(confidences) + self.intercept)


@dataclass(frozen=True)
class ClassTuning:
    """What the manifest needs for one class.

    Attributes:
        threshold: on the confidences as printed.
        threshold_calibrated: the same threshold after `calibration`.
        f1: at the threshold.
        total_error: signed relative error of the total count at the threshold.
        total_within_limit: whether any threshold kept the total within `TOTAL_ERROR_MAX`.
        error_before, error_after: expected calibration error of all candidates.
    """

    threshold: float
    threshold_calibrated: float
    f1: float
    total_error: float
    total_within_limit: bool
    calibration: Calibration
    error_before: float
    error_after: float


def logit(confidences: np.ndarray) -> np.ndarray:
    """Log odds of confidences, which are kept away from 0 and 1."""
    inner = np.clip(confidences, CONFIDENCE_MARGIN, 1 - CONFIDENCE_MARGIN)
    return np.log(inner) - np.log1p(-inner)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(values)))


def f1_by_threshold(candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """F1 and number of reported cells at each of `THRESHOLDS`."""
    rising = candidates.confidences[::-1]
    reported = len(rising) - np.searchsorted(rising, THRESHOLDS, side="left")
    right = np.concatenate([[0], np.cumsum(candidates.right)])[reported]
    return 2 * right / np.maximum(1, reported + candidates.truth), reported


def smoothed(values: np.ndarray) -> np.ndarray:
    """Moving average over `SMOOTHING_HALF_WIDTH` neighbours; shorter at both ends."""
    kernel = np.ones(2 * SMOOTHING_HALF_WIDTH + 1)
    weight = np.convolve(np.ones(len(values)), kernel, mode="same")
    return np.convolve(values, kernel, mode="same") / weight


def _plateau_middle(values: np.ndarray, allowed: np.ndarray) -> int:
    """Middle of the run of allowed places around the highest value that are nearly as high."""
    best = int(np.where(allowed, values, -np.inf).argmax())
    high = allowed & (values >= values[best] - PLATEAU_DEPTH)
    low_end = best
    while low_end > 0 and high[low_end - 1]:
        low_end -= 1
    high_end = best
    while high_end + 1 < len(high) and high[high_end + 1]:
        high_end += 1
    return (low_end + high_end) // 2


def choose_threshold(candidates: Candidates) -> tuple[int, bool]:
    """Choose the best smoothed F1 among thresholds that keep the total within the limit.

    Returns:
        Index into `THRESHOLDS`, and whether any threshold keeps the limit; if none does, F1 alone
        decides.
    """
    f1, reported = f1_by_threshold(candidates)
    error = np.abs(reported - candidates.truth) / max(1, candidates.truth)
    allowed = error <= TOTAL_ERROR_MAX
    within = bool(allowed.any())
    if not within:
        allowed = np.ones(len(THRESHOLDS), bool)
    return _plateau_middle(smoothed(f1), allowed), within


def _log_loss(parameters: np.ndarray, inputs: np.ndarray, target: np.ndarray) -> float:
    """Cross-entropy of the targets, from the logits so that nothing overflows."""
    logits = inputs @ parameters
    return float((np.logaddexp(0, logits) - target * logits).sum())


def _minimize_log_loss(inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Newton's method, halving a step until it improves the loss (Lin, Lin & Weng 2007)."""
    parameters = np.array([1.0, 0.0])
    loss = _log_loss(parameters, inputs, target)
    for _ in range(NEWTON_STEPS_MAX):
        probability = sigmoid(inputs @ parameters)
        gradient = inputs.T @ (probability - target)
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + RIDGE * np.eye(2), gradient)
        size = 1.0
        while size > STEP_SIZE_MIN:
            next_loss = _log_loss(parameters - size * step, inputs, target)
            if next_loss < loss:
                break
            size /= 2
        else:
            return parameters
        parameters, loss = parameters - size * step, next_loss
    return parameters


def fit_calibration(candidates: Candidates) -> Calibration:
    """Fit Platt scaling; needs right and wrong candidates, the right ones more confident."""
    positives = int(candidates.right.sum())
    negatives = len(candidates.right) - positives
    if not positives or not negatives:
        raise ValueError(
            f"calibration needs right and wrong candidates, not {positives} and {negatives}; "
            "give the output of --all-cells"
        )
    target = np.where(candidates.right, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    inputs = np.stack([logit(candidates.confidences), np.ones(len(target))], axis=1)
    slope, intercept = _minimize_log_loss(inputs, target)
    if slope <= 0:
        raise ValueError(
            "the confidence does not rise with the share of right cells; "
            "check that model, frames and annotations belong together"
        )
    return Calibration(float(slope), float(intercept))


def tune_class(candidates: Candidates) -> ClassTuning:
    """Choose threshold and calibration of one class."""
    index, within = choose_threshold(candidates)
    f1, reported = f1_by_threshold(candidates)
    calibration = fit_calibration(candidates)
    calibrated = replace(candidates, confidences=calibration.apply(candidates.confidences))
    return ClassTuning(
        threshold=float(THRESHOLDS[index]),
        threshold_calibrated=float(calibration.apply(THRESHOLDS[index : index + 1])[0]),
        f1=float(f1[index]),
        total_error=float((reported[index] - candidates.truth) / max(1, candidates.truth)),
        total_within_limit=within,
        calibration=calibration,
        error_before=score_reliability([candidates]).calibration_error,
        error_after=score_reliability([calibrated]).calibration_error,
    )


def tune(all_pairs: Sequence[FramePair]) -> dict[str, ClassTuning]:
    """Tune every class with an annotated cell, from frames that hold every candidate."""
    result = {}
    for label, name in enumerate(CLASS_NAMES):
        candidates = collect_candidates(all_pairs, label)
        if candidates.truth:
            result[name] = tune_class(candidates)
    return result
