"""Times the network against onnxruntime, interleaved: python -m hemoscope_training.benchmark.

Every round runs each contender five times in a row, as a live device does, then the next one: the
device's operator on each kernel and tract's float operators (both in one Rust process),
onnxruntime's int8 (QDQ, unsigned activations, signed weights per channel) and onnxruntime's float.
All on one thread and one frame of 320x240. A busy machine slows all of them alike; medians are
compared. It also reports how far onnxruntime's float answers lie from the device's int8 ones.
"""

import argparse
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from tqdm import tqdm

WIDTH_PX, HEIGHT_PX = 320, 240
ZERO_POINT, INPUT_SCALE = 64, 1 / 32
CALIBRATION_FRAMES = 8
RUNS_IN_A_ROW = 5


def random_frame(seed: int) -> np.ndarray:
    """A float frame (1, 3, height, width) of smooth noise in the network's range."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 128, (1, 3, HEIGHT_PX, WIDTH_PX)).astype(np.float32)
    for axis in (2, 3):
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    return (np.floor(values) - ZERO_POINT) * np.float32(INPUT_SCALE)


class _Frames(CalibrationDataReader):
    def __init__(self) -> None:
        self._frames = iter([{"frame": random_frame(seed)} for seed in range(CALIBRATION_FRAMES)])

    def get_next(self) -> dict | None:
        return next(self._frames, None)


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def _timed(session: onnxruntime.InferenceSession) -> Callable[[], float]:
    frame = random_frame(99)

    def run() -> float:
        started = time.perf_counter()
        session.run(None, {"frame": frame})
        return 1e3 * (time.perf_counter() - started)

    return run


class RustServer:
    """The Rust benchmark, which answers a contender's name with one run's milliseconds."""

    def __init__(self, root: Path, model: Path) -> None:
        command = ["cargo", "bench", "--locked", "--quiet", "--bench", "network", "--"]
        self._process = subprocess.Popen(
            [*command, "--serve", "--model", str(model.resolve())],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names: list[str] = json.loads(self._process.stdout.readline())

    def timed(self, name: str) -> Callable[[], float]:
        """One run of the contender of that name."""

        def run() -> float:
            self._process.stdin.write(name + "\n")
            self._process.stdin.flush()
            return float(self._process.stdout.readline())

        return run

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(timeout=60)


def measure(root: Path, model: Path, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every round by contender."""
    with tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder) / "qdq.onnx"
        quantize_static(
            str(model / "plain.onnx"),
            str(quantized),
            _Frames(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        runs = {
            "onnxruntime int8": _timed(_session(quantized)),
            "onnxruntime f32": _timed(_session(model / "plain.onnx")),
        }
    server = RustServer(root, model)
    runs = {name: server.timed(name) for name in server.names} | runs
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in tqdm(range(rounds), desc="rounds", unit="round"):
        for name, run in runs.items():
            times[name] += [run() for _ in range(RUNS_IN_A_ROW)]
    server.close()
    return times


def golden_frame(width_px: int, height_px: int, seed: int) -> np.ndarray:
    """The known-answer frame (1, 3, height, width) of golden.json, as the float form takes it."""
    values = np.empty(width_px * height_px * 3, np.float32)
    state = seed
    for index in range(len(values)):
        state = (state * 1664525 + 1013904223) % 2**32
        values[index] = state >> 25
    frame = values.reshape(height_px, width_px, 3).transpose(2, 0, 1)[None]
    return (frame - ZERO_POINT) * np.float32(INPUT_SCALE)


def agreement(model: Path) -> list[str]:
    """Say how far onnxruntime's float answers to the golden frames lie from the device's."""
    session = _session(model / "plain.onnx")
    lines = []
    for case in json.loads((model / "golden.json").read_text())["cases"]:
        frame = golden_frame(case["width_px"], case["height_px"], case["seed"])
        answer = session.run(None, {"frame": frame})[0][0].transpose(1, 2, 0)
        device = np.array(case["heads"], np.float32).reshape(answer.shape) / 256
        difference = np.abs(answer - device)
        lines.append(
            f"| {case['name']} | {difference.mean():.3f} | {difference.max():.3f} | "
            f"{np.abs(answer).mean():.2f} |"
        )
    return lines


def report(times: dict[str, list[float]], model: Path) -> str:
    """The tables as Markdown."""
    device = next(name for name in reversed(times) if name.startswith("device"))
    medians = {name: float(np.median(values)) for name, values in times.items()}
    lines = [
        f"One thread, one frame of {WIDTH_PX}x{HEIGHT_PX}, {len(times[device])} runs in "
        f"interleaved rounds of {RUNS_IN_A_ROW}; {_processor()}; "
        f"onnxruntime {onnxruntime.__version__}.",
        "",
        "| contender | median ms | 10th to 90th percentile | time / ours |",
        "|---|---|---|---|",
    ]
    for name, values in times.items():
        low, high = np.percentile(values, [10, 90])
        ratio = medians[name] / medians[device]
        lines.append(f"| {name} | {medians[name]:.2f} | {low:.2f} to {high:.2f} | {ratio:.2f} |")
    lines += [
        "",
        f"Ours is {device}.",
        "",
        "Device's int8 answers against onnxruntime's float ones, in the output's natural units:",
        "",
        "| golden frame | mean difference | largest | mean size of an answer |",
        "|---|---|---|---|",
        *agreement(model),
    ]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the repository")
    parser.add_argument("--model", type=Path, required=True, help="models/<name>")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, help="write the tables here too")
    settings = parser.parse_args()
    text = report(measure(settings.root, settings.model, settings.rounds), settings.model)
    print(text)
    if settings.out:
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        settings.out.write_text(text)


if __name__ == "__main__":
    main()
