"""Frames from which the steps of the activations are found."""

from pathlib import Path

import cv2
import numpy as np

from hemoscope_training.augment import AugmentSettings, colour
from hemoscope_training.dataset import load_images
from hemoscope_training.network import RBC_DIAMETER_PX, SIDE_MULTIPLE_PX

CALIBRATION_FRAMES = 160
CALIBRATION_SIDE_PX = 256


def calibration_frames(data: Path, annotations: str, seed: int) -> list[np.ndarray]:
    """Frames (3, h, w) of 7-bit values at the network's cell size, half with changed light."""
    images = load_images(data, annotations)
    rng = np.random.default_rng(seed)
    frames = []
    for number, index in enumerate(rng.permutation(len(images))[:CALIBRATION_FRAMES]):
        image = images[index]
        scale = RBC_DIAMETER_PX / image.rbc_diameter_px
        pixels = cv2.resize(image.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = (
            min(CALIBRATION_SIDE_PX, side // SIDE_MULTIPLE_PX * SIDE_MULTIPLE_PX)
            for side in pixels.shape[:2]
        )
        pixels = pixels[:height, :width]
        if number % 2:
            pixels = colour(pixels, rng, AugmentSettings())
        frames.append(np.ascontiguousarray((pixels >> 1).transpose(2, 0, 1)))
    return frames
