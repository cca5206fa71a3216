//! Network output to cells: peaks of the heat maps, their boxes, and what to make of doubles.
//!
//! Every value that leaves this module is an integer computed from integers, so a frame gives
//! the same cells on every processor.

use crate::cell::{BoundingBox, Cell, CellClass, SUBPIXELS};
use crate::network::{ClassSettings, NetworkOutput};
use crate::preprocess::scale::ScalePlan;

/// Cells in one frame beyond which only the most confident are kept: five times what a crowded
/// 12 megapixel field holds.
pub const MAX_CELLS: usize = 20_000;
/// The heat logit from which `--all-cells` keeps a candidate, in 1/256: a score of 0.05 before
/// calibration. (Calibrated, weak candidates come out near zero, and a precision-recall curve
/// needs them.)
const ALL_CELLS_LOGIT_Q8: i32 = -754;

/// Units of the network's output: one part in 256.
const OUTPUT_STEPS: i32 = 256;
const PERMYRIAD: i64 = 10_000;
/// Two boxes of one class that share more than this of their union are one cell. Chosen between
/// 0.5 and 0.7 on photographs with overlapping cells; results hardly change within.
const SAME_CLASS_OVERLAP_PERMYRIAD: i64 = 6_000;
/// Two boxes of different classes that share more than this are one cell with two opinions.
const RIVAL_OVERLAP_PERMYRIAD: i64 = 7_000;
/// A cell whose two best classes are nearer than this in confidence is uncertain.
const RIVAL_MARGIN_PERMYRIAD: u16 = 1_000;
/// A cell that the frame cuts to less than this part of a red cell's diameter is a sliver.
const SLIVER_PART: i32 = 4;
/// How much surer a sliver must be: half of what the network finds there is not annotated by
/// people either, see docs/accuracy.md.
const SLIVER_MARGIN_PERMYRIAD: u16 = 1_900;
/// Boxes of cut cells may end this short of the frame's edge, in sixteenths of a pixel.
const TOUCH_TOLERANCE_Q4: i32 = 2 * SUBPIXELS;
/// Logarithm of size beyond which a box is nonsense (e^5 output cells), in output steps.
const LOG_SIZE_MAX: i32 = 5 * OUTPUT_STEPS;
const LOG_SIZE_MIN: i32 = -3 * OUTPUT_STEPS;
/// The shortest side of a box that is still drawn and counted, in sixteenths of a pixel.
const MIN_SIDE_Q4: i32 = 2 * SUBPIXELS;

/// Which candidates become cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectSettings {
    /// Thresholds and calibration, in class order.
    pub classes: [ClassSettings; 3],
    /// Keep every candidate from a heat of 0.05 on under its best class.
    pub all_cells: bool,
    /// Diameter of a red cell in the network's input, in pixels.
    pub network_rbc_diameter_px: u32,
}

impl DetectSettings {
    /// The lowest heat logit of a candidate, in 1/256.
    fn lowest_candidate_logit(&self, class: CellClass) -> i32 {
        if self.all_cells {
            return ALL_CELLS_LOGIT_Q8;
        }
        let settings = &self.classes[class.index()];
        lowest_logit(settings, settings.candidate_permyriad)
    }

    fn is_certain(&self, candidate: &Candidate, plan: &ScalePlan) -> bool {
        let mut wanted = self.classes[candidate.class.index()].certain_permyriad;
        if self.is_sliver(&clip(&candidate.bounds, plan.frame_px()), plan) {
            wanted = wanted.saturating_add(SLIVER_MARGIN_PERMYRIAD);
        }
        let rival = candidate.rival_permyriad;
        let unrivalled = rival == 0
            || rival.saturating_add(RIVAL_MARGIN_PERMYRIAD) <= candidate.confidence_permyriad;
        self.all_cells || (candidate.confidence_permyriad >= wanted && unrivalled)
    }

    /// Whether the frame's edge leaves too little of a cell to be as sure as usual.
    fn is_sliver(&self, seen: &BoundingBox, plan: &ScalePlan) -> bool {
        let (width_px, height_px) = plan.frame_px();
        let end_q4 = |side_px: u32| side_px as i32 * SUBPIXELS - TOUCH_TOLERANCE_Q4;
        let touches_x = seen.x0_q4 <= TOUCH_TOLERANCE_Q4 || seen.x1_q4 >= end_q4(width_px);
        let touches_y = seen.y0_q4 <= TOUCH_TOLERANCE_Q4 || seen.y1_q4 >= end_q4(height_px);
        let diameter_q4 = self.network_rbc_diameter_px as i32 * SUBPIXELS;
        (touches_x && seen.width_q4() * SLIVER_PART < plan.to_frame_x_q4(diameter_q4))
            || (touches_y && seen.height_q4() * SLIVER_PART < plan.to_frame_y_q4(diameter_q4))
    }
}

/// A peak of one class's heat map, in the frame's pixels.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    class: CellClass,
    logit_q8: i16,
    confidence_permyriad: u16,
    /// Confidence of the strongest other class at the same place.
    rival_permyriad: u16,
    /// The whole box as the network sees it, in the frame, not clipped.
    bounds: BoundingBox,
    /// Place in the scan, which breaks ties.
    order: u32,
}

/// Finds the cells of one frame.
///
/// `plan` is how the frame was shown to the network. Cells come with the most confident first;
/// `counted` is true for all: the border rule decides later.
pub fn detect(output: &NetworkOutput, plan: &ScalePlan, settings: &DetectSettings) -> Vec<Cell> {
    let mut candidates = find_candidates(output, plan, settings);
    candidates.sort_by_key(|candidate| {
        (
            std::cmp::Reverse((candidate.confidence_permyriad, candidate.logit_q8)),
            candidate.order,
        )
    });
    candidates.truncate(2 * MAX_CELLS);
    let mut kept = suppress_doubles(&candidates);
    kept.truncate(MAX_CELLS);
    kept.iter()
        .map(|candidate| Cell {
            best_class: candidate.class,
            certain: settings.is_certain(candidate, plan),
            bounds: clip(&candidate.bounds, plan.frame_px()),
            confidence_permyriad: candidate.confidence_permyriad,
            counted: true,
        })
        .collect()
}

/// The calibrated probability of a heat logit, in ten-thousandths.
///
/// `logit_q8` is in 1/256; the class's slope and intercept are too (Platt scaling).
pub fn confidence_permyriad(logit_q8: i16, class: &ClassSettings) -> u16 {
    let slope = f64::from(class.calibration_slope_q8) / f64::from(OUTPUT_STEPS);
    let intercept = f64::from(class.calibration_intercept_q8) / f64::from(OUTPUT_STEPS);
    let logit = slope * f64::from(logit_q8) / f64::from(OUTPUT_STEPS) + intercept;
    // The portable libm and rounding to four decimals keep this equal on every processor.
    let probability = 1.0 / (1.0 + libm::exp(-logit));
    libm::round(probability * PERMYRIAD as f64) as u16
}

/// The lowest raw logit that can reach a confidence, so that the scan compares integers only.
fn lowest_logit(class: &ClassSettings, permyriad: u16) -> i32 {
    let (mut low, mut high) = (i32::from(i16::MIN), i32::from(i16::MAX) + 1);
    while low < high {
        let middle = (low + high) >> 1;
        if confidence_permyriad(middle as i16, class) >= permyriad {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn find_candidates(
    output: &NetworkOutput,
    plan: &ScalePlan,
    settings: &DetectSettings,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for class in CellClass::ALL {
        let class_settings = &settings.classes[class.index()];
        let floor = settings.lowest_candidate_logit(class);
        for row in 0..output.rows() {
            for column in 0..output.columns() {
                let logit = output.value(row, column, class.index());
                if i32::from(logit) < floor || !is_peak(output, row, column, class.index(), logit) {
                    continue;
                }
                let bounds = plan.to_frame_box(&network_box(output, row, column));
                if !shows_in_frame(&bounds, plan.frame_px()) {
                    continue;
                }
                candidates.push(Candidate {
                    class,
                    logit_q8: logit,
                    confidence_permyriad: confidence_permyriad(logit, class_settings),
                    rival_permyriad: 0,
                    bounds,
                    order: candidates.len() as u32,
                });
            }
        }
    }
    candidates
}

/// Whether no neighbour is higher; of equal neighbours the first in reading order is the peak.
fn is_peak(output: &NetworkOutput, row: usize, column: usize, channel: usize, logit: i16) -> bool {
    let rows = row.saturating_sub(1)..(row + 2).min(output.rows());
    rows.flat_map(|other_row| {
        let columns = column.saturating_sub(1)..(column + 2).min(output.columns());
        columns.map(move |other_column| (other_row, other_column))
    })
    .all(|other| {
        let value = output.value(other.0, other.1, channel);
        value < logit || (value == logit && other >= (row, column))
    })
}

/// The box that the network gives at one place, in sixteenths of a network pixel.
fn network_box(output: &NetworkOutput, row: usize, column: usize) -> BoundingBox {
    let stride_q4 = i64::from(output.stride_px()) * i64::from(SUBPIXELS);
    let centre_q4 = |index: usize, channel: usize| {
        let offset = i64::from(output.value(row, column, channel));
        let steps = i64::from(OUTPUT_STEPS);
        let doubled = (2 * index as i64 + 1) * steps + 2 * offset;
        (doubled * stride_q4).div_euclid(2 * steps)
    };
    let half_q4 = |channel: usize| {
        let log_size = i32::from(output.value(row, column, channel));
        let log_size = log_size.clamp(LOG_SIZE_MIN, LOG_SIZE_MAX);
        let size = libm::exp(f64::from(log_size) / f64::from(OUTPUT_STEPS));
        libm::round(size * stride_q4 as f64 / 2.0) as i64
    };
    let (x, y) = (centre_q4(column, 3), centre_q4(row, 4));
    let (half_width, half_height) = (half_q4(5), half_q4(6));
    BoundingBox {
        x0_q4: (x - half_width) as i32,
        y0_q4: (y - half_height) as i32,
        x1_q4: (x + half_width) as i32,
        y1_q4: (y + half_height) as i32,
    }
}

/// Whether the centre lies in the frame (not in its padding) and enough of the box is seen.
fn shows_in_frame(bounds: &BoundingBox, frame_px: (u32, u32)) -> bool {
    let (x, y) = bounds.centre_doubled_q4();
    let doubled = |side_px: u32| 2 * side_px as i32 * SUBPIXELS;
    let inside = (0..=doubled(frame_px.0)).contains(&x) && (0..=doubled(frame_px.1)).contains(&y);
    let seen = clip(bounds, frame_px);
    inside && seen.width_q4() >= MIN_SIDE_Q4 && seen.height_q4() >= MIN_SIDE_Q4
}

fn clip(bounds: &BoundingBox, frame_px: (u32, u32)) -> BoundingBox {
    let clip_to = |value: i32, side_px: u32| value.clamp(0, side_px as i32 * SUBPIXELS);
    BoundingBox {
        x0_q4: clip_to(bounds.x0_q4, frame_px.0),
        y0_q4: clip_to(bounds.y0_q4, frame_px.1),
        x1_q4: clip_to(bounds.x1_q4, frame_px.0),
        y1_q4: clip_to(bounds.y1_q4, frame_px.1),
    }
}

/// Intersection over union, in ten-thousandths.
fn overlap_permyriad(a: &BoundingBox, b: &BoundingBox) -> i64 {
    let shared = a.intersection_q8(b);
    if shared == 0 {
        return 0;
    }
    shared * PERMYRIAD / (a.area_q8() + b.area_q8() - shared)
}

/// Keeps the most confident of boxes that mean the same cell, and notes rivals of other classes.
///
/// `candidates` are sorted, most confident first. Kept boxes are binned by their centres, so
/// that a crowded field costs no more than its neighbours.
fn suppress_doubles(candidates: &[Candidate]) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    let mut grid = Grid::new(candidates);
    for candidate in candidates {
        let mut is_double = false;
        for &index in grid.near(&candidate.bounds) {
            let stronger = &mut kept[index];
            let overlap = overlap_permyriad(&stronger.bounds, &candidate.bounds);
            if stronger.class == candidate.class {
                is_double |= overlap > SAME_CLASS_OVERLAP_PERMYRIAD;
            } else if overlap > RIVAL_OVERLAP_PERMYRIAD {
                is_double = true;
                stronger.rival_permyriad =
                    stronger.rival_permyriad.max(candidate.confidence_permyriad);
            }
        }
        if !is_double {
            grid.insert(&candidate.bounds, kept.len());
            kept.push(*candidate);
        }
    }
    kept
}

/// Kept boxes by the bins that their centres fall into.
struct Grid {
    bin_q4: i32,
    columns: usize,
    rows: usize,
    bins: Vec<Vec<usize>>,
    found: Vec<usize>,
}

/// Bins along a side at most, whatever the frame's size.
const MAX_GRID_SIDE: i32 = 256;

impl Grid {
    /// Bins as wide as the largest box: a double's centre lies in the same or the next bin.
    fn new(candidates: &[Candidate]) -> Self {
        let sides = |bounds: &BoundingBox| bounds.width_q4().max(bounds.height_q4());
        let largest = candidates.iter().map(|one| sides(&one.bounds)).max();
        let end = candidates
            .iter()
            .map(|one| one.bounds.centre_doubled_q4())
            .fold((0, 0), |end, (x, y)| (end.0.max(x / 2), end.1.max(y / 2)));
        let bin_q4 = largest
            .unwrap_or(1)
            .max(end.0.max(end.1) / MAX_GRID_SIDE + 1);
        let columns = (end.0 / bin_q4) as usize + 1;
        let rows = (end.1 / bin_q4) as usize + 1;
        Self {
            bin_q4,
            columns,
            rows,
            bins: vec![Vec::new(); columns * rows],
            found: Vec::new(),
        }
    }

    fn bin_of(&self, bounds: &BoundingBox) -> (usize, usize) {
        let (x, y) = bounds.centre_doubled_q4();
        let index = |doubled: i32, count: usize| {
            ((doubled / 2 / self.bin_q4).max(0) as usize).min(count - 1)
        };
        (index(x, self.columns), index(y, self.rows))
    }

    fn insert(&mut self, bounds: &BoundingBox, index: usize) {
        let (column, row) = self.bin_of(bounds);
        self.bins[row * self.columns + column].push(index);
    }

    fn near(&mut self, bounds: &BoundingBox) -> &[usize] {
        let (column, row) = self.bin_of(bounds);
        self.found.clear();
        for near_row in row.saturating_sub(1)..(row + 2).min(self.rows) {
            for near_column in column.saturating_sub(1)..(column + 2).min(self.columns) {
                self.found
                    .extend_from_slice(&self.bins[near_row * self.columns + near_column]);
            }
        }
        &self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::scale::RBC_DIAMETER_UM;
    use proptest::prelude::*;

    /// Three heats, two offsets, two sizes.
    const OUTPUT_CHANNELS: usize = 7;
    const ROWS: usize = 40;
    const COLUMNS: usize = 60;
    /// The frame is shown at its own size, so network pixels are frame pixels.
    const FRAME_PX: (u32, u32) = (240, 160);

    fn plan() -> ScalePlan {
        ScalePlan::new(FRAME_PX, RBC_DIAMETER_UM / 52.0, RBC_DIAMETER_UM, 52.0).unwrap()
    }

    fn settings(all_cells: bool) -> DetectSettings {
        let classes = CellClass::ALL.map(|class| ClassSettings {
            name: class.name().to_owned(),
            certain_permyriad: 5000,
            candidate_permyriad: 2500,
            calibration_slope_q8: 256,
            calibration_intercept_q8: 0,
        });
        DetectSettings {
            classes,
            all_cells,
            network_rbc_diameter_px: 52,
        }
    }

    /// An output without any cell.
    struct Drawn(Vec<i16>);

    impl Drawn {
        fn empty() -> Self {
            let place = [-2000, -2000, -2000, 0, 0, 0, 0];
            Self(place.repeat(ROWS * COLUMNS))
        }

        /// A cell whose box has its centre in the middle of a place.
        fn cell(
            mut self,
            class: CellClass,
            place: (usize, usize),
            logit: i16,
            side_px: f64,
        ) -> Self {
            let at = (place.0 * COLUMNS + place.1) * OUTPUT_CHANNELS;
            self.0[at + class.index()] = logit;
            let log_size = (256.0 * (side_px / 4.0).ln()).round() as i16;
            self.0[at + 5] = log_size;
            self.0[at + 6] = log_size;
            self
        }

        fn detect(self, all_cells: bool) -> Vec<Cell> {
            let output = NetworkOutput::from_values(ROWS, COLUMNS, self.0).unwrap();
            detect(&output, &plan(), &settings(all_cells))
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
        assert_eq!(cells[0].confidence_permyriad, 8808);
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
        let mut class = settings(false).classes[0].clone();
        assert_eq!(confidence_permyriad(0, &class), 5000);
        class.calibration_slope_q8 = 512;
        class.calibration_intercept_q8 = 256;
        // 2 x 0.5 + 1 = 2.
        assert_eq!(confidence_permyriad(128, &class), 8808);
        assert_eq!(confidence_permyriad(i16::MIN, &class), 0);
        assert_eq!(confidence_permyriad(i16::MAX, &class), 10_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_output_gives_boxes_inside_the_frame(
            values in proptest::collection::vec(any::<i16>(), 10 * 15 * OUTPUT_CHANNELS)
        ) {
            let output = NetworkOutput::from_values(10, 15, values).unwrap();
            for cell in detect(&output, &plan(), &settings(true)) {
                let bounds = cell.bounds;
                prop_assert!(bounds.x0_q4 >= 0 && bounds.x1_q4 <= FRAME_PX.0 as i32 * SUBPIXELS);
                prop_assert!(bounds.y0_q4 >= 0 && bounds.y1_q4 <= FRAME_PX.1 as i32 * SUBPIXELS);
                prop_assert!(bounds.width_q4() > 0 && bounds.height_q4() > 0);
            }
        }
    }
}
