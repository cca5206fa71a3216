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
/// The confidence from which `--all-cells` keeps a candidate, in ten-thousandths.
pub const ALL_CELLS_PERMYRIAD: u16 = 500;

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
    /// Keep every candidate from [`ALL_CELLS_PERMYRIAD`] on under its best class.
    pub all_cells: bool,
}

impl DetectSettings {
    fn candidate_permyriad(&self, class: CellClass) -> u16 {
        if self.all_cells {
            return ALL_CELLS_PERMYRIAD;
        }
        self.classes[class.index()].candidate_permyriad
    }

    fn is_certain(
        &self,
        class: CellClass,
        confidence_permyriad: u16,
        rival_permyriad: u16,
    ) -> bool {
        let enough = confidence_permyriad >= self.classes[class.index()].certain_permyriad;
        let unrivalled = rival_permyriad.saturating_add(RIVAL_MARGIN_PERMYRIAD)
            <= confidence_permyriad
            || rival_permyriad == 0;
        self.all_cells || (enough && unrivalled)
    }
}

/// A peak of one class's heat map, in the frame's pixels.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    class: CellClass,
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
            std::cmp::Reverse(candidate.confidence_permyriad),
            candidate.order,
        )
    });
    candidates.truncate(2 * MAX_CELLS);
    let mut kept = suppress_doubles(&candidates);
    kept.truncate(MAX_CELLS);
    kept.iter()
        .map(|candidate| Cell {
            best_class: candidate.class,
            certain: settings.is_certain(
                candidate.class,
                candidate.confidence_permyriad,
                candidate.rival_permyriad,
            ),
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
        let floor = lowest_logit(class_settings, settings.candidate_permyriad(class));
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
