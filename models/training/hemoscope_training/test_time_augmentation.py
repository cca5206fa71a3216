"""Turns annotated frames: python -m hemoscope_training.test_time_augmentation --data DIR --out DIR.

Every frame is written in its eight orientations, with its annotations. What a network makes of a
cell that it is not sure of changes from one to the next, so figures over all of them depend less on
chance: two networks can be told apart that one orientation cannot. They are no new cells, and say
no more than the frames themselves of how accurate a network is.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

ORIENTATIONS = 8
TRANSPOSED = 4
FLIPPED_X = 1
FLIPPED_Y = 2


def turn_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels (h, w, 3): transposed first, then flipped."""
    if orientation & TRANSPOSED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation & FLIPPED_X:
        pixels = pixels[:, ::-1]
    if orientation & FLIPPED_Y:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def turn_box(box: list[float], orientation: int, width: int, height: int) -> list[float]:
    """Turn a COCO box (x, y, width, height) of a frame that is `width` by `height` when turned."""
    x, y, box_width, box_height = box
    if orientation & TRANSPOSED:
        x, y, box_width, box_height = y, x, box_height, box_width
    if orientation & FLIPPED_X:
        x = width - x - box_width
    if orientation & FLIPPED_Y:
        y = height - y - box_height
    return [x, y, box_width, box_height]


def turn_all(data: Path, coco: str, out: Path) -> None:
    """Write all frames of a COCO file in all orientations, and a COCO file of the same name.

    Raises:
        ValueError: a frame cannot be read.
    """
    document = json.loads((data / coco).read_text())
    annotations = defaultdict(list)
    for annotation in document["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    images, turned = [], []
    (out / "images").mkdir(parents=True, exist_ok=True)
    for image in document["images"]:
        pixels = cv2.imread(str(data / image["file_name"]))
        if pixels is None:
            raise ValueError(f"{data / image['file_name']} cannot be read as a picture")
        for orientation in range(ORIENTATIONS):
            frame = turn_pixels(pixels, orientation)
            height, width = frame.shape[:2]
            name = f"images/{Path(image['file_name']).stem}_{orientation}.png"
            cv2.imwrite(str(out / name), frame)
            entry = {"id": len(images) + 1, "file_name": name, "width": width, "height": height}
            images.append({**image, **entry})
            for annotation in annotations[image["id"]]:
                box = turn_box(annotation["bbox"], orientation, width, height)
                entry = {"id": len(turned) + 1, "image_id": len(images), "bbox": box}
                turned.append({**annotation, **entry})
    document |= {"images": images, "annotations": turned}
    (out / coco).write_text(json.dumps(document))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the COCO file and images/")
    add("--coco", default="dev.json")
    add("--out", type=Path, required=True, help="folder for the same in eight orientations")
    settings = parser.parse_args()
    turn_all(settings.data, settings.coco, settings.out)


if __name__ == "__main__":
    main()
