"""Makes frames of the simulated slide as a USB camera sends them: baseline JPEG, 4:2:2.

python -m hemoscope_training.simulated_frames PROGRAM FOLDER COUNT WIDTHxHEIGHT, where PROGRAM is
the built example `simulated_frames`. Frames that are there already are kept.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

UM_PER_PX = 0.0725
JPEG_QUALITY = 85
JPEG_SETTINGS = [
    cv2.IMWRITE_JPEG_QUALITY,
    JPEG_QUALITY,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
]
NETWORK_SIZE_PX = (320, 240)


def make_jpegs(program: Path, folder: Path, count: int, size: str, seed: int = 7) -> list[Path]:
    """Write FOLDER/000000.jpg and so on, unless all of them are there; give their paths."""
    paths = [folder / f"{index:06}.jpg" for index in range(count)]
    if all(path.is_file() for path in paths):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as raw:
        subprocess.run([program, raw, str(count), size, str(seed)], check=True)
        for path in paths:
            picture = cv2.imread(str(Path(raw) / f"{path.stem}.png"))
            cv2.imwrite(str(path), picture, JPEG_SETTINGS)
    return paths


def prepared(path: Path) -> np.ndarray:
    """A frame as the device's network takes it: (240, 320, 4) bytes up to 127, the fourth 0."""
    picture = cv2.resize(cv2.imread(str(path)), NETWORK_SIZE_PX, interpolation=cv2.INTER_AREA)
    rgbx = np.zeros((*picture.shape[:2], 4), np.uint8)
    rgbx[..., :3] = picture[..., ::-1] >> 1
    return rgbx


def as_float(rgbx: np.ndarray) -> np.ndarray:
    """A prepared frame as the float form of the network takes it: (1, 3, height, width)."""
    planes = rgbx[..., :3].transpose(2, 0, 1)[None].astype(np.float32)
    return (planes - np.float32(64)) / np.float32(32)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("size")
    settings = parser.parse_args()
    make_jpegs(settings.program, settings.folder, settings.count, settings.size)


if __name__ == "__main__":
    main()
