"""The network in other runtimes: its quantized forms, and processes that run it on request."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

# What tract calls the instructions beyond AVX2 (tract-linalg, isa.rs).
TRACT_AVX2_ONLY = {"TRACT_CPU_ISA": "-avx512f,-avx512vnni,-avx512fp16,-avxvnni,-amx-int8,-amx-bf16"}
# Threads that have just worked spin a while before they sleep.
QUIET_SECONDS = 0.01

Run = Callable[[], float]
"""Runs once and gives milliseconds."""


class NotMeasured(Exception):
    """Why a figure could not be measured."""


class _Frames(CalibrationDataReader):
    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self._frames = iter([{"frame": frame} for frame in frames])

    def get_next(self) -> dict | None:
        return next(self._frames, None)


def quantized_forms(plain: Path, frames: list[np.ndarray], folder: Path) -> dict[str, Path]:
    """Write plain.onnx's int8 forms, calibrated on frames (1, 3, height, width).

    qdq: unsigned activations, signed weights per channel, as onnxruntime recommends for x86.
    qlinear: the same arithmetic as QLinearConv, one scale a tensor; convolutions only, since tract
    reads no QLinearAdd. dynamic: ConvInteger, whose scales are found at run time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.onnx" for name in ("qdq", "qlinear", "dynamic")}
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    with tempfile.TemporaryDirectory() as temporary:
        prepared = str(Path(temporary) / "prepared.onnx")
        quant_pre_process(str(plain), prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            str(paths["qdq"]),
            _Frames(frames),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            **types,
        )
        quantize_static(
            prepared,
            str(paths["qlinear"]),
            _Frames(frames),
            quant_format=QuantFormat.QOperator,
            op_types_to_quantize=["Conv"],
            **types,
        )
        quantize_dynamic(prepared, str(paths["dynamic"]), weight_type=QuantType.QInt8)
    return paths


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Load a model for that many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options)


def onnxruntime_run(path: Path, frame: np.ndarray, threads: int) -> Run:
    """Runs of a model on one frame (1, 3, height, width)."""
    loaded = session(path, threads)

    def run() -> float:
        started = time.perf_counter()
        loaded.run(None, {"frame": frame})
        return 1e3 * (time.perf_counter() - started)

    return run


class Server:
    """A process that prints its networks' names, then answers a name with a run's milliseconds."""

    def __init__(self, command: list, environment: dict[str, str] | None = None) -> None:
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        line = self._process.stdout.readline()
        if not line:
            raise NotMeasured(self.errors() or f"{command[0]} ended without a word")
        self.names: list[str] = json.loads(line)

    def errors(self) -> str:
        """What the process has said on standard error."""
        self._errors.seek(0)
        return self._errors.read().strip()

    def run(self, name: str) -> Run:
        """Runs of the network of that name."""

        def run() -> float:
            self._process.stdin.write(name + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                raise NotMeasured(f"{name}: {self.errors() or 'the process ended'}")
            return float(answer)

        return run

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(timeout=60)


def interleave(
    runs: dict[str, Run], rounds: int, in_a_row: int, budget_ms: float = 200
) -> dict[str, list[float]]:
    """Milliseconds of every runtime, one for each of the rounds in which each takes its turn.

    Every second round goes backwards. A turn is one run that is not timed, which wakes caches and
    threads, and `in_a_row` timed ones, fewer where they would take longer than `budget_ms`; the
    fastest of them stands for the turn. On a busy machine the other runs are those that were
    interrupted, and long runs are interrupted more often than short ones.
    """
    first = {name: min(run() for _ in range(3)) for name, run in runs.items()}
    turns = {name: max(1, min(in_a_row, int(budget_ms / max(first[name], 1e-3)))) for name in runs}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        names = list(runs) if turn % 2 == 0 else list(reversed(runs))
        for name in names:
            time.sleep(QUIET_SECONDS)
            runs[name]()
            times[name].append(min(runs[name]() for _ in range(turns[name])))
    return times


def median(times: Iterable[float]) -> float:
    """The median as a float."""
    return float(statistics.median(times))
