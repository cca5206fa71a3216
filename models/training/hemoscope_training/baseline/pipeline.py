"""Trains the crop classifier and counts frames with the baseline.

    python -m hemoscope_training.baseline.pipeline train --data DIR --out DIR
    python -m hemoscope_training.baseline.pipeline count --data DIR --coco dev.json --out DIR

`count` without --classifier names cells by the colour rule alone. It writes cells.jsonl and
all_cells.jsonl, which `hemoscope_training.evaluate score` reads like the program's own lines.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from hemoscope_training.baseline.classifier import (
    CROP_PX,
    NONE,
    CropNetwork,
    crop_figures,
    cut,
    probabilities,
    restore_shares,
    train,
)
from hemoscope_training.baseline.segmentation import (
    RBC_AREA_PX,
    Region,
    enhance,
    rule_class,
    scale_to_cells,
    segment,
)
from hemoscope_training.program import RBC_DIAMETER_UM
from hemoscope_training.records import (
    LABELS,
    CountedFrame,
    TruthFrame,
    counted_line,
    load_truth,
)
from hemoscope_training.scoring import in_inner_frame, iou_matrix

RED_CROPS_MAX = 5000
NONE_CROPS_MAX = 4000
NONE_IOU_MAX = 0.3
"""A segmented piece that overlaps every annotated cell by less than this is no cell."""

CROP_SHIFT_PX = 2.0
"""Standard deviation by which training crops miss the cell's centre, as segmentation does."""


def read_enhanced(data: Path, frame: TruthFrame) -> tuple[np.ndarray, float]:
    """Load a frame, scale it to the baseline's cell size and enhance it; also gives the factor."""
    stored = cv2.imread(str(data / frame.name), cv2.IMREAD_COLOR)
    if stored is None:
        raise FileNotFoundError(f"{data / frame.name}: not a readable image")
    scaled, factor = scale_to_cells(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), frame.rbc_px)
    return enhance(scaled), factor


def _boxes(regions: Sequence[Region], factor: float) -> np.ndarray:
    """Boxes (n, 4) of regions in pixels of the source image."""
    return np.array([region.box for region in regions]).reshape(-1, 4) / factor


def annotated_crops(image: np.ndarray, frame: TruthFrame, factor: float) -> np.ndarray:
    """Crops (n, side, side, 3) of all annotated cells of a frame."""
    crops = [cut(image, box * factor) for box in frame.boxes]
    return np.array(crops, np.uint8).reshape(-1, CROP_PX, CROP_PX, 3)


def false_crops(image: np.ndarray, frame: TruthFrame, factor: float) -> np.ndarray:
    """Crops (n, side, side, 3) of segmented pieces that are no annotated cell."""
    regions = segment(image)
    overlap = iou_matrix(_boxes(regions, factor), frame.boxes).max(axis=1, initial=0.0)
    chosen = [region for region, best in zip(regions, overlap, strict=True) if best < NONE_IOU_MAX]
    crops = [cut(image, region.box) for region in chosen]
    return np.array(crops, np.uint8).reshape(-1, CROP_PX, CROP_PX, 3)


def collect_crops(
    data: Path, frames: Sequence[TruthFrame], generator: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Crops and labels of all annotated cells and false pieces.

    Args:
        data: folder that holds the images.
        frames: annotated frames.
        generator: shifts each cell's crop a little, for training; None keeps them centred.
    """
    crops, labels = [], []
    for frame in tqdm(frames, desc="cutting crops", unit="frame"):
        image, factor = read_enhanced(data, frame)
        shifted = frame
        if generator is not None:
            shift = generator.normal(0, CROP_SHIFT_PX / factor, (len(frame.boxes), 2))
            fields = {**vars(frame), "boxes": frame.boxes + np.tile(shift, 2)}
            shifted = TruthFrame(**fields)
        cells = annotated_crops(image, shifted, factor)
        pieces = false_crops(image, frame, factor)
        crops += [cells, pieces]
        labels += [frame.labels, np.full(len(pieces), NONE)]
    return np.concatenate(crops), np.concatenate(labels)


def thin_out(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Indices of the crops to train on: a part of the red cells and of the false pieces."""
    limits = {LABELS["RBC"]: RED_CROPS_MAX, NONE: NONE_CROPS_MAX}
    chosen = []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        chosen.append(rows[: limits.get(int(label), len(rows))])
    return np.concatenate(chosen)


def train_command(arguments: argparse.Namespace) -> None:
    """Train on one COCO file; measure the crops of another."""
    generator = np.random.default_rng(arguments.seed)
    frames = load_truth(arguments.data / arguments.coco)
    crops, labels = collect_crops(arguments.data, frames, generator)
    rows = thin_out(labels, generator)
    network = train(crops[rows], labels[rows], arguments.epochs, arguments.seed)
    restore_shares(network, labels[rows], labels)
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), arguments.out / "classifier.pt")

    measure_crops(network, arguments.data, arguments.held_out, arguments.out)


def measure_crops(network: CropNetwork, data: Path, coco: str, out: Path) -> None:
    """Measure the classifier on crops of annotated cells and false pieces; write crops.json."""
    crops, labels = collect_crops(data, load_truth(data / coco), None)
    shares = probabilities(network, crops)
    cells = labels != NONE
    figures = {
        "annotated cells, three classes": crop_figures(
            labels[cells], shares[cells, :NONE].argmax(axis=1)
        ),
        "annotated cells": crop_figures(labels[cells], shares[cells].argmax(axis=1)),
        "annotated cells and false pieces": crop_figures(labels, shares.argmax(axis=1)),
    }
    (out / "crops.json").write_text(json.dumps(figures, indent=1) + "\n")
    for name, item in figures.items():
        print(
            f"{name}: {item['crops']} crops, accuracy {item['accuracy']:.2%}, "
            f"macro-F1 {item['macro_f1']:.4f}, confusion {item['confusion']}"
        )


def load_classifier(path: Path) -> CropNetwork:
    """Load what `train` saved, ready to name crops."""
    network = CropNetwork()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def measure_command(arguments: argparse.Namespace) -> None:
    """Measure a trained classifier again."""
    network = load_classifier(arguments.classifier)
    measure_crops(network, arguments.data, arguments.coco, arguments.out)


def _name_by_rule(regions: Sequence[Region]) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) with `NONE` for no cell, and confidences (n,) that grow with the area."""
    names = [rule_class(region) for region in regions]
    labels = np.array([NONE if name is None else LABELS[name] for name in names], int)
    areas = np.array([region.area_px for region in regions], float) / RBC_AREA_PX
    return labels, 0.5 + 0.49 * np.minimum(1, areas)


def _name_by_network(
    network: CropNetwork, image: np.ndarray, regions: Sequence[Region]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (n,) with `NONE`, best class among the real ones (n,), and its confidence (n,)."""
    crops = np.array([cut(image, region.box) for region in regions], np.uint8)
    shares = probabilities(network, crops.reshape(-1, CROP_PX, CROP_PX, 3))
    best = shares[:, :NONE].argmax(axis=1)
    return shares.argmax(axis=1), best, shares[np.arange(len(best)), best]


def count_frame(
    data: Path, frame: TruthFrame, network: CropNetwork | None
) -> tuple[CountedFrame, CountedFrame]:
    """Count one frame.

    Returns:
        The reported cells, and every candidate under its best class.
    """
    image, factor = read_enhanced(data, frame)
    regions = segment(image)
    boxes = _boxes(regions, factor)
    if network is None:
        labels, confidences = _name_by_rule(regions)
        named, best = labels != NONE, labels
    else:
        labels, best, confidences = _name_by_network(network, image, regions)
        named = labels != NONE
    counted = in_inner_frame(boxes, frame)
    um_per_px = RBC_DIAMETER_UM / frame.rbc_px
    every = CountedFrame(boxes, best, confidences, counted, um_per_px)
    reported = every.keep(named)
    return reported, every if network is not None else reported


def _counted_lines(
    data: Path, frames: Sequence[TruthFrame], network: CropNetwork | None
) -> Iterator[tuple[str, str]]:
    for frame in tqdm(frames, desc="counting", unit="frame"):
        reported, every = count_frame(data, frame, network)
        yield counted_line(frame.name, frame, reported), counted_line(frame.name, frame, every)


def count_command(arguments: argparse.Namespace) -> None:
    """Count the frames of a COCO file and write both files of JSON lines."""
    network = None if arguments.classifier is None else load_classifier(arguments.classifier)
    arguments.out.mkdir(parents=True, exist_ok=True)
    frames = load_truth(arguments.data / arguments.coco)
    lines = list(_counted_lines(arguments.data, frames, network))
    for name, part in zip(
        ("cells.jsonl", "all_cells.jsonl"), zip(*lines, strict=True), strict=True
    ):
        (arguments.out / name).write_text("\n".join(part) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipeline", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, required=True, help="folder of images/ and COCO files")
    common.add_argument("--out", type=Path, required=True, help="folder for the results")
    trained = commands.add_parser("train", parents=[common], help="train the crop classifier")
    trained.add_argument("--coco", default="train.json", help="frames to train on")
    trained.add_argument("--held-out", default="dev.json", help="frames to measure crops of")
    trained.add_argument("--epochs", type=int, default=10)
    trained.add_argument("--seed", type=int, default=1)
    trained.set_defaults(command=train_command)
    measured = commands.add_parser("measure", parents=[common], help="measure the classifier")
    measured.add_argument("--coco", default="dev.json", help="frames to measure crops of")
    measured.add_argument("--classifier", type=Path, required=True, help="classifier.pt")
    measured.set_defaults(command=measure_command)
    counted = commands.add_parser("count", parents=[common], help="count frames")
    counted.add_argument("--coco", default="dev.json", help="frames to count")
    counted.add_argument("--classifier", type=Path, help="classifier.pt; without it, the rule")
    counted.set_defaults(command=count_command)
    return parser


def main() -> None:
    """Run on one thread, so that results are the same everywhere."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    arguments = _parser().parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
