"""Segmentation and crops on drawn cells; needs the packages of requirements.txt."""

import cv2
import numpy as np
import pytest
from build import truth

from hemoscope_training.baseline.classifier import (
    CROP_PX,
    CropNetwork,
    crop_figures,
    cut,
    probabilities,
    restore_shares,
    train,
)
from hemoscope_training.baseline.pipeline import count_frame, false_crops, thin_out
from hemoscope_training.baseline.segmentation import (
    RBC_DIAMETER_PX,
    cell_mask,
    enhance,
    flatten_light,
    rule_class,
    scale_to_cells,
    segment,
)

SLIDE = (236, 232, 228)
RED_CELL = (205, 150, 150)
CYTOPLASM = (190, 175, 215)
NUCLEUS = (95, 50, 135)
SIDE_PX = 240


def slide(*discs: tuple[tuple[int, int], int, tuple[int, int, int]], light: float = 0.0):
    """A drawn field with discs of (centre, radius, colour), darker to the right by `light`."""
    image = np.full((SIDE_PX, SIDE_PX, 3), SLIDE, np.uint8)
    for centre, radius, colour in discs:
        cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA)
    shade = 1 - light * np.linspace(0, 1, SIDE_PX)[None, :, None]
    noise = np.random.default_rng(3).normal(0, 2, image.shape)
    return np.clip(image * shade + noise, 0, 255).astype(np.uint8)


def red(x: int, y: int):
    return ((x, y), 20, RED_CELL)


def white(x: int, y: int):
    return [((x, y), 32, CYTOPLASM), ((x, y), 20, NUCLEUS)]


def names(image: np.ndarray) -> list[str]:
    """Names of the cells in a field; pieces that are no cell have none."""
    found = [rule_class(region) for region in segment(enhance(image))]
    return sorted(name for name in found if name is not None)


def test_cells_are_parted_and_named():
    cases = [
        ("an empty slide but one cell", [red(120, 120)], ["RBC"]),
        ("two that touch", [red(100, 120), red(137, 120)], ["RBC", "RBC"]),
        (
            "three in a chain",
            [red(60, 120), red(95, 120), red(130, 120)],
            ["RBC", "RBC", "RBC"],
        ),
        ("a cut cell", [red(2, 120), red(120, 120)], ["RBC", "RBC"]),
        (
            "a white cell among red ones",
            [*white(120, 120), red(40, 40), red(200, 50), red(50, 200)],
            ["RBC", "RBC", "RBC", "WBC"],
        ),
        (
            "a white cell that touches a red one",
            [red(170, 120), *white(120, 120), red(40, 40), red(40, 200)],
            ["RBC", "RBC", "RBC", "WBC"],
        ),
        (
            "a platelet",
            [((120, 120), 6, NUCLEUS), red(40, 40), red(200, 50), red(50, 200)],
            ["PLT", "RBC", "RBC", "RBC"],
        ),
        ("lobes of one nucleus", None, ["RBC", "RBC", "WBC"]),
    ]
    lobed = [((120, 120), 32, CYTOPLASM), ((110, 112), 12, NUCLEUS), ((131, 128), 13, NUCLEUS)]
    wrong = {}
    for name, discs, expected in cases:
        found = names(slide(*(discs or [*lobed, red(40, 40), red(50, 200)])))
        if found != expected:
            wrong[name] = found
    assert not wrong


def test_boxes_fit_the_drawn_cell():
    (region,) = segment(enhance(slide(red(120, 100))))
    assert region.box == pytest.approx([100, 80, 141, 121], abs=2)
    assert not region.at_border
    assert region.area_px == pytest.approx(np.pi * 400, rel=0.1)


def test_uneven_light_changes_no_count():
    cells = [red(40, 60), red(120, 150), red(200, 80), red(200, 200)]
    assert names(slide(*cells, light=0.2)) == ["RBC"] * 4
    left, right = np.split(flatten_light(slide(light=0.2)).astype(float), 2, axis=1)
    assert abs(left.mean() - right.mean()) < 8


def test_central_pallor_is_filled():
    image = slide(red(120, 120), ((120, 120), 9, SLIDE))
    assert cell_mask(enhance(image))[120, 120]


def test_scaling_brings_red_cells_to_one_size():
    image, factor = scale_to_cells(np.zeros((100, 200, 3), np.uint8), rbc_px=2 * RBC_DIAMETER_PX)
    assert (image.shape, factor) == ((50, 100, 3), 0.5)


def test_a_crop_is_centred_and_keeps_the_size():
    image = slide(red(100, 60))
    crop = cut(image, np.array([80, 40, 121, 81]))
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    dark = crop[:, :, 1] < 190
    rows, columns = np.nonzero(dark)
    assert rows.mean() == pytest.approx(31.5, abs=1)
    assert columns.mean() == pytest.approx(31.5, abs=1)
    assert np.ptp(columns) == pytest.approx(40 * CROP_PX / 80, abs=2)


def test_a_crop_at_the_border_repeats_the_edge():
    crop = cut(slide(), np.array([-10, -10, 10, 10]))
    assert crop.min() > 200


def test_pieces_that_are_no_annotated_cell_are_found():
    image = enhance(slide(red(60, 60), red(180, 180)))
    frame = truth(("RBC", [40, 40, 81, 81]), width=SIDE_PX, height=SIDE_PX)
    assert len(false_crops(image, frame, 1.0)) == 1


def test_the_classifier_learns_what_is_easy_and_repeats_itself():
    discs = {0: [red(40, 40)], 1: white(40, 40), 2: [((40, 40), 6, NUCLEUS)], 3: []}
    labels = np.repeat(np.arange(4), 16)
    generator = np.random.default_rng(2)
    crops = []
    for label in labels:
        box = np.array([20, 20, 60, 60]) + np.tile(generator.integers(-3, 4, 2), 2)
        crops.append(cut(slide(*discs[int(label)]), box))
    crops = np.array(crops)
    shares = probabilities(train(crops, labels, epochs=20, seed=4, batch=16), crops)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert crop_figures(labels, shares.argmax(axis=1))["accuracy"] > 0.95
    first, second = (train(crops, labels, epochs=2, seed=4, batch=16) for _ in range(2))
    assert np.array_equal(probabilities(first, crops), probabilities(second, crops))


def test_shares_of_classes_shift_the_answers():
    network = CropNetwork().eval()
    crops = np.random.default_rng(1).integers(0, 255, (5, CROP_PX, CROP_PX, 3), np.uint8)
    before = probabilities(network, crops)
    trained, natural = np.repeat([0, 1, 2, 3], 100), np.repeat([0, 1, 2, 3], [100, 100, 100, 700])
    restore_shares(network, trained, natural)
    after = probabilities(network, crops)
    ratio = (after[:, 3] / after[:, 0]) / (before[:, 3] / before[:, 0])
    assert ratio == pytest.approx(7, rel=1e-3)


def test_crop_figures():
    figures = crop_figures(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 3]))
    assert figures["accuracy"] == 0.5
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert figures["confusion"][2] == [0, 0, 0, 1]


def test_thinning_out_keeps_all_rare_classes():
    labels = np.repeat([0, 1, 3], [6000, 7, 4500])
    rows = thin_out(labels, np.random.default_rng(1))
    assert np.bincount(labels[rows]).tolist() == [5000, 7, 0, 4000]


def test_a_frame_is_counted_in_its_own_pixels(tmp_path):
    image = cv2.resize(slide(red(60, 60), red(180, 180), red(244, 60)), None, fx=2, fy=2)
    cv2.imwrite(str(tmp_path / "a.png"), image[:, :, ::-1])
    frame = truth(width=2 * SIDE_PX, height=2 * SIDE_PX, rbc_px=80.0)
    reported, every = count_frame(tmp_path, frame, None)
    assert len(reported.boxes) == len(every.boxes) == 3
    first = reported.boxes[reported.boxes[:, 0].argmin()]
    assert first == pytest.approx([80, 80, 162, 162], abs=5)
    assert reported.counted.sum() == 2, "more than a quarter of the cut cell is outside"
    assert reported.um_per_px == pytest.approx(7.5 / 80)
    named, candidates = count_frame(tmp_path, frame, CropNetwork().eval())
    assert len(candidates.boxes) == 3
    assert len(named.boxes) <= 3
    with pytest.raises(FileNotFoundError, match=r"b\.png: not a readable image"):
        count_frame(tmp_path, truth(name="b.png"), None)
