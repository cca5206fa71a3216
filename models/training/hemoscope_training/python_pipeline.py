"""A frame-to-count pipeline in Python, written for speed: what the program is compared with.

python -m hemoscope_training.python_pipeline --network int8.onnx --manifest manifest.toml
--workers 2 FOLDER. OpenCV decodes and resizes, onnxruntime runs the quantized network on one
thread, numpy finds peaks and OpenCV drops overlapping boxes; each worker is a process that has
its network loaded before the clock starts. The quality of a frame is not judged, and nothing is
written: it does less than the program. After a line of JSON that says it is ready, each line on
standard input is answered by one line: seconds for the whole folder and the counts.
"""

import argparse
import json
import multiprocessing
import sys
import time
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

CLASSES = ("RBC", "WBC", "PLT")
NETWORK_SIZE_PX = (320, 240)
STRIDE_PX = 4
MAX_OVERLAP = 0.6
# Cells are counted when their centre lies this far inside the frame, in red cells.
BORDER_DIAMETERS = 0.25
FRAMES_A_TASK = 5


class Counter:
    """One worker: a loaded network and its thresholds."""

    def __init__(self, network: str, manifest: str) -> None:
        cv2.setNumThreads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(network, options)
        entries = tomllib.loads(Path(manifest).read_text())
        self._lowest = np.array([lowest_logit(entry) for entry in entries["class"]], np.float32)
        self._margin_px = BORDER_DIAMETERS * entries["input"]["rbc_diameter_px"]

    def count(self, path: str) -> np.ndarray:
        """Cells of each class in a file."""
        picture = cv2.imread(path)
        small = cv2.resize(picture, NETWORK_SIZE_PX, interpolation=cv2.INTER_AREA)
        frame = cv2.dnn.blobFromImage(small, 1 / 64, mean=(128, 128, 128), swapRB=True)
        heads = self._session.run(None, {"frame": frame})[0][0]
        return count_cells(heads, self._lowest, self._margin_px)


def lowest_logit(entry: dict) -> float:
    """The logit from which a cell of a class is certain, by the manifest's calibration."""
    certain = entry["certain_permyriad"] / 10_000
    calibrated = np.log(certain / (1 - certain))
    return (
        256
        * (calibrated - entry["calibration_intercept_q8"] / 256)
        / (entry["calibration_slope_q8"])
    )


def count_cells(heads: np.ndarray, lowest: np.ndarray, margin_px: float) -> np.ndarray:
    """Count peaks of heads (7, rows, columns) that no stronger box covers, by class."""
    heat = heads[:3]
    peaks = heat >= lowest[:, None, None]
    classes, rows, columns = np.nonzero(peaks)
    if len(classes) == 0:
        return np.zeros(3, int)
    highest = np.stack([cv2.dilate(plane, np.ones((3, 3), np.uint8)) for plane in heat])
    kept = heat[classes, rows, columns] >= highest[classes, rows, columns]
    classes, rows, columns = classes[kept], rows[kept], columns[kept]
    # OpenCV wants scores that are not negative.
    scores = 1 / (1 + np.exp(-heat[classes, rows, columns]))
    offset_x, offset_y, log_width, log_height = heads[3:, rows, columns]
    centre_x = STRIDE_PX * (columns + 0.5 + offset_x)
    centre_y = STRIDE_PX * (rows + 0.5 + offset_y)
    width, height = STRIDE_PX * np.exp(log_width), STRIDE_PX * np.exp(log_height)
    boxes = np.stack([centre_x - width / 2, centre_y - height / 2, width, height], 1)
    alone = cv2.dnn.NMSBoxes(boxes, scores, 0.0, MAX_OVERLAP)
    alone = np.asarray(alone, int)
    right, bottom = NETWORK_SIZE_PX[0] - margin_px, NETWORK_SIZE_PX[1] - margin_px
    x, y = centre_x[alone], centre_y[alone]
    inside = (x >= margin_px) & (x < right) & (y >= margin_px) & (y < bottom)
    return np.bincount(classes[alone][inside], minlength=3)


_counter: Counter | None = None


def _start(network: str, manifest: str) -> None:
    global _counter
    _counter = Counter(network, manifest)


def _count(path: str) -> np.ndarray:
    return _counter.count(path)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("folder", type=Path)
    settings = parser.parse_args()
    paths = [str(path) for path in sorted(settings.folder.glob("*.jpg"))]
    starter = (settings.network, settings.manifest)
    with multiprocessing.Pool(settings.workers, _start, starter) as pool:
        sum(pool.imap_unordered(_count, paths, FRAMES_A_TASK))
        print(json.dumps({"frames": len(paths)}), flush=True)
        for _ in sys.stdin:
            started = time.perf_counter()
            counts = sum(pool.imap_unordered(_count, paths, FRAMES_A_TASK))
            seconds = time.perf_counter() - started
            named = dict(zip(CLASSES, counts.tolist(), strict=True))
            print(json.dumps({"seconds": seconds, "counts": named}), flush=True)


if __name__ == "__main__":
    main()
