//! Cells from drawn outputs, and equality with the plain form of detection.

use super::*;
use crate::preprocess::scale::RBC_DIAMETER_UM;
use proptest::prelude::*;

/// A heat for each class, two offsets, two sizes.
const OUTPUT_CHANNELS: usize = HEAD_CHANNELS;
const ROWS: usize = 40;
const COLUMNS: usize = 60;
/// The frame is shown at its own size, so network pixels are frame pixels.
const FRAME_PX: (u32, u32) = (240, 160);

fn plan() -> ScalePlan {
    ScalePlan::new(FRAME_PX, RBC_DIAMETER_UM / 52.0, RBC_DIAMETER_UM, 52.0).unwrap()
}

fn settings(all_cells: bool) -> DetectSettings {
    let classes = PerClass::from_fn(|class: CellClass| ClassSettings {
        name: class.name().to_owned(),
        accept_threshold_e4: 5000,
        candidate_e4: 2500,
        calibration_slope_q8: 256,
        calibration_intercept_q8: 0,
    });
    DetectSettings {
        classes,
        none: None,
        all_cells,
        network_rbc_diameter_px: 52,
    }
}

fn settings_with_none(all_cells: bool) -> DetectSettings {
    let settings = settings(all_cells);
    let none = ClassSettings {
        name: "none".to_owned(),
        ..settings.classes[CellClass::Rbc].clone()
    };
    DetectSettings {
        none: Some(none),
        ..settings
    }
}

fn found(output: &NetworkOutput, settings: &DetectSettings) -> Vec<Cell> {
    let mut cells = Vec::new();
    Detector::new(settings.clone()).detect(output, &plan(), &mut cells);
    cells
}

/// An output without any cell.
struct Drawn(Vec<i16>);

impl Drawn {
    fn empty() -> Self {
        let mut place = [0; OUTPUT_CHANNELS];
        place[..CellClass::COUNT].fill(-2000);
        Self(place.repeat(ROWS * COLUMNS))
    }

    /// A cell whose box has its centre in the middle of a place.
    fn cell(mut self, class: CellClass, place: (usize, usize), logit: i16, side_px: f64) -> Self {
        let at = (place.0 * COLUMNS + place.1) * OUTPUT_CHANNELS;
        self.0[at + class.index()] = logit;
        let log_size = (256.0 * (side_px / 4.0).ln()).round() as i16;
        self.0[at + WIDTH_CHANNEL] = log_size;
        self.0[at + HEIGHT_CHANNEL] = log_size;
        self
    }

    /// What is found where the network says "none of these" this strongly at one place.
    fn detect_beside_none(self, (row, column): (usize, usize), logit: i16) -> Vec<Cell> {
        let places = self.0.chunks_exact(OUTPUT_CHANNELS).enumerate();
        let values = places.flat_map(|(at, place)| {
            let is_there = at == row * COLUMNS + column;
            let none = if is_there { logit } else { -2000 };
            place.iter().copied().chain([none])
        });
        let output = NetworkOutput::from_values(ROWS, COLUMNS, values.collect()).unwrap();
        found(&output, &settings_with_none(false))
    }

    fn detect(self, all_cells: bool) -> Vec<Cell> {
        let output = NetworkOutput::from_values(ROWS, COLUMNS, self.0).unwrap();
        found(&output, &settings(all_cells))
    }
}

#[test]
fn a_peak_becomes_a_cell_in_its_place() {
    let cells = Drawn::empty()
        .cell(CellClass::Wbc, (20, 30), 512, 64.0)
        .detect(false);
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0].class(), Some(CellClass::Wbc));
    // The middle of place 30 is 122 px from the left; sigmoid(2) is 0.8808.
    let [x0, y0, x1, y1] = cells[0].bounds.corners_px();
    assert!(
        (x0 - 90.0).abs() < 0.2 && (x1 - 154.0).abs() < 0.2,
        "{x0} {x1}"
    );
    assert!(
        (y0 - 50.0).abs() < 0.2 && (y1 - 114.0).abs() < 0.2,
        "{y0} {y1}"
    );
    assert_eq!(cells[0].confidence_e4, 8808);
}

#[test]
fn what_is_none_of_the_classes_is_found_and_never_counted_under_one() {
    // Logits of a white cell and of none at its place, and what comes of them.
    for (white, none, label) in [
        (900, -2000, "WBC"),
        (900, 200, "WBC"),
        // Two opinions of nearly the same strength.
        (900, 820, "uncertain"),
        (200, 900, "none"),
        (-2000, 900, "none"),
        // A weak one is shown too: it is not counted under a class anyway.
        (-2000, -100, "none"),
    ] {
        let drawn = Drawn::empty().cell(CellClass::Wbc, (20, 30), white, 80.0);
        let cells = drawn.detect_beside_none((20, 30), none);
        let labels: Vec<_> = cells.iter().map(Cell::label).collect();
        assert_eq!(labels, [label], "{white} and {none}");
        let class = (label == "WBC").then_some(CellClass::Wbc);
        assert_eq!(cells[0].class(), class);
    }
}

#[test]
fn nothing_is_found_in_nothing() {
    assert!(Drawn::empty().detect(true).is_empty());
}

#[test]
fn equal_neighbours_are_one_peak() {
    let drawn = Drawn::empty()
        .cell(CellClass::Rbc, (20, 30), 512, 50.0)
        .cell(CellClass::Rbc, (20, 31), 512, 50.0);
    assert_eq!(drawn.detect(false).len(), 1);
}

#[test]
fn two_boxes_of_one_cell_are_one_and_overlapping_cells_are_two() {
    // Centres 8 px apart share 0.72 of the union, 24 px apart 0.35.
    for (apart, cells) in [(2, 1), (6, 2)] {
        let drawn = Drawn::empty()
            .cell(CellClass::Rbc, (20, 20), 600, 50.0)
            .cell(CellClass::Rbc, (20, 20 + apart), 500, 50.0);
        assert_eq!(drawn.detect(false).len(), cells, "{apart} places apart");
    }
}

#[test]
fn a_platelet_on_a_red_cell_is_kept() {
    let drawn = Drawn::empty()
        .cell(CellClass::Rbc, (20, 20), 600, 52.0)
        .cell(CellClass::Plt, (22, 22), 600, 16.0);
    assert_eq!(drawn.detect(false).len(), 2);
}

#[test]
fn weak_and_disputed_cells_are_uncertain() {
    let weak = Drawn::empty()
        .cell(CellClass::Rbc, (20, 20), -100, 52.0)
        .detect(false);
    assert_eq!((weak.len(), weak[0].certain), (1, false));
    // sigmoid(0.75) and sigmoid(0.70) differ by less than the margin.
    let disputed = || {
        Drawn::empty()
            .cell(CellClass::Rbc, (20, 20), 192, 60.0)
            .cell(CellClass::Wbc, (20, 22), 179, 60.0)
    };
    let cells = disputed().detect(false);
    assert_eq!((cells.len(), cells[0].certain), (1, false));
    let forced = disputed().detect(true);
    assert_eq!((forced.len(), forced[0].class()), (1, Some(CellClass::Rbc)));
}

#[test]
fn slivers_must_be_surer() {
    // sigmoid(0.4) is 0.6: enough inside, not at the edge where 6 px of 52 show.
    for (column, certain) in [(30, true), (0, false)] {
        let cells = Drawn::empty()
            .cell(CellClass::Rbc, (20, column), 102, 8.0)
            .detect(false);
        assert_eq!(
            (cells.len(), cells[0].certain),
            (1, certain),
            "column {column}"
        );
    }
}

#[test]
fn confidence_is_the_calibrated_probability() {
    let mut class = settings(false).classes[CellClass::Rbc].clone();
    assert_eq!(confidence_e4(0, &class), 5000);
    class.calibration_slope_q8 = 512;
    class.calibration_intercept_q8 = 256;
    // 2 x 0.5 + 1 = 2.
    assert_eq!(confidence_e4(128, &class), 8808);
    assert_eq!(confidence_e4(i16::MIN, &class), 0);
    assert_eq!(confidence_e4(i16::MAX, &class), 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_output_gives_boxes_inside_the_frame(
        values in proptest::collection::vec(any::<i16>(), 10 * 15 * OUTPUT_CHANNELS)
    ) {
        let output = NetworkOutput::from_values(10, 15, values).unwrap();
        for cell in found(&output, &settings(true)) {
            let bounds = cell.bounds;
            prop_assert!(bounds.x0_q4 >= 0 && bounds.x1_q4 <= FRAME_PX.0 as i32 * SUBPIXELS);
            prop_assert!(bounds.y0_q4 >= 0 && bounds.y1_q4 <= FRAME_PX.1 as i32 * SUBPIXELS);
            prop_assert!(bounds.width_q4() > 0 && bounds.height_q4() > 0);
        }
    }
}

/// An output of ordinary values: mostly below every floor, with peaks here and there, equal
/// neighbours among them, and boxes from slivers to the whole frame.
fn plausible_output(has_none: bool) -> impl Strategy<Value = NetworkOutput> {
    let logit = prop_oneof![
        6 => -3000_i16..-800,
        2 => -800_i16..2000,
        1 => Just(300_i16),
    ];
    let place = (
        std::array::from_fn::<_, { CellClass::COUNT }, _>(|_| logit.clone()),
        [-300_i16..300, -300_i16..300],
        [-300_i16..1100, -300_i16..1100],
        logit.clone(),
    );
    let side = 1_usize..24;
    (side.clone(), side).prop_flat_map(move |(rows, columns)| {
        let places = proptest::collection::vec(place.clone(), rows * columns);
        places.prop_map(move |places| {
            let values = places
                .into_iter()
                .flat_map(|(heats, offsets, sizes, none)| {
                    let none = has_none.then_some(none);
                    heats.into_iter().chain(offsets).chain(sizes).chain(none)
                })
                .collect();
            NetworkOutput::from_values(rows, columns, values).unwrap()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn buffers_change_nothing(
        (has_none, outputs) in any::<bool>().prop_flat_map(|has_none| {
            (Just(has_none), proptest::collection::vec(plausible_output(has_none), 1..4))
        }),
        all_cells: bool,
        candidate_e4 in 0_u16..6000,
    ) {
        let mut settings = match has_none {
            true => settings_with_none(all_cells),
            false => settings(all_cells),
        };
        settings.classes[CellClass::Wbc].candidate_e4 = candidate_e4;
        settings.classes[CellClass::Plt].calibration_slope_q8 = 120;
        let mut detector = Detector::new(settings.clone());
        let mut cells = Vec::new();
        for output in outputs {
            detector.detect(&output, &plan(), &mut cells);
            prop_assert_eq!(&cells, &reference::detect(&output, &plan(), &settings));
        }
    }
}

#[test]
fn only_the_strongest_of_too_many_candidates_are_kept() {
    // Every second place is a peak of its own, so that the candidates exceed their limit twice.
    let (rows, columns) = (480, 1000);
    let mut values = vec![i16::MIN; rows * columns * OUTPUT_CHANNELS];
    for row in (0..rows).step_by(2) {
        for column in (0..columns).step_by(2) {
            let at = (row * columns + column) * OUTPUT_CHANNELS;
            values[at] = ((row * 7919 + column * 104_729) % 2000) as i16 - 400;
            values[at + OFFSET_X_CHANNEL..][..4].copy_from_slice(&[0, 0, -100, -100]);
        }
    }
    let output = NetworkOutput::from_values(rows, columns, values).unwrap();
    let frame_px = (columns as u32 * 4, rows as u32 * 4);
    let um_per_px = RBC_DIAMETER_UM / 52.0;
    let plan = ScalePlan::new(frame_px, um_per_px, RBC_DIAMETER_UM, 52.0).unwrap();
    let settings = settings(true);
    let mut cells = Vec::new();
    Detector::new(settings.clone()).detect(&output, &plan, &mut cells);
    assert_eq!(cells.len(), MAX_CELLS);
    // Boxes this small never share a pixel, so that no duplicates are dropped.
    let mut expected: Vec<_> = reference::find_candidates(&output, &plan, &settings);
    assert!(expected.len() > 2 * MAX_CANDIDATES);
    expected.sort_unstable_by_key(Candidate::rank);
    for (cell, candidate) in cells.iter().zip(&expected) {
        assert_eq!(cell.bounds, candidate.bounds);
    }
}

#[test]
fn a_white_cell_as_small_as_a_red_one_is_uncertain() {
    // A red cell is 52 px wide here, so the limit is at 57.2 px.
    for (class, side_px, is_certain) in [
        (CellClass::Wbc, 52.0, false),
        (CellClass::Wbc, 56.0, false),
        (CellClass::Wbc, 59.0, true),
        (CellClass::Wbc, 90.0, true),
        (CellClass::Rbc, 40.0, true),
        (CellClass::Plt, 20.0, true),
    ] {
        let drawn = Drawn::empty().cell(class, (20, 30), 900, side_px);
        let cells = drawn.detect(false);
        assert_eq!(cells[0].certain, is_certain, "{class} of {side_px} px");
    }
    // What the frame cuts may be larger than what it shows.
    let cut = Drawn::empty().cell(CellClass::Wbc, (20, 2), 900, 52.0);
    assert!(cut.detect(false)[0].certain);
}
