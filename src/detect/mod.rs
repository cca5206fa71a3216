//! Network output to cells: peaks of the heat maps, their boxes, and what to make of duplicates.
//!
//! Every value that leaves this module is an integer computed from integers, so a frame gives
//! the same cells on every processor.

use crate::cell::{BoundingBox, Cell, CellClass, PerClass, SUBPIXELS};
use crate::network::{ClassSettings, HEAD_CHANNELS, NONE_CHANNEL, NetworkOutput};
use crate::preprocess::scale::ScalePlan;
use std::cmp::Reverse;

/// Cells in one frame beyond which only the most confident are kept: five times what a crowded
/// 12 megapixel field holds.
pub const MAX_CELLS: usize = 20_000;
/// The heat logit from which `--all-cells` keeps a candidate, in 1/256: a score of 0.01 before
/// calibration. (Calibrated, weak candidates come out near zero, and a precision-recall curve
/// needs them.)
const ALL_CELLS_LOGIT_Q8: i32 = -1176;
/// Candidates that are looked at for duplicates; weaker ones than these are left out.
const MAX_CANDIDATES: usize = 2 * MAX_CELLS;

/// Units of the network's output: one part in 256.
const OUTPUT_STEPS: i32 = 256;
const PERMYRIAD: i64 = 10_000;
/// Two boxes of one class that share more than this of their union are one cell. Chosen between
/// 0.5 and 0.7 on photographs with overlapping cells; results hardly change within.
const SAME_CLASS_OVERLAP_E4: i64 = 6_000;
/// Two boxes of different classes that share more than this are one cell with two opinions.
const RUNNER_UP_OVERLAP_E4: i64 = 7_000;
/// A cell whose two best classes are nearer than this in confidence is uncertain.
const RUNNER_UP_MARGIN_E4: u16 = 1_000;
/// A cell that the frame cuts to less than this part of a red cell's diameter is a sliver.
const SLIVER_PART: i32 = 4;
/// How much surer a sliver must be: half of what the network finds there is not annotated by
/// people either, see docs/accuracy.md.
const SLIVER_MARGIN_E4: u16 = 1_900;
/// A white cell narrower than this, in percent of a red cell's diameter, is uncertain: the smallest
/// lymphocytes are wider, while red cells that look unusual and large platelets are not.
const MIN_WHITE_DIAMETER_PERCENT: i64 = 110;
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
    /// Thresholds and calibration.
    pub classes: PerClass<ClassSettings>,
    /// The same for what is none of the classes, where the network can say so.
    pub none: Option<ClassSettings>,
    /// Keep every candidate from a heat of 0.01 on under its best class.
    pub all_cells: bool,
    /// Diameter of a red cell in the network's input, in pixels.
    pub network_rbc_diameter_px: u32,
}

impl DetectSettings {
    /// Thresholds and calibration of a class, or of none of them.
    fn of(&self, class: Option<CellClass>) -> Option<&ClassSettings> {
        match class {
            Some(class) => Some(&self.classes[class]),
            None => self.none.as_ref(),
        }
    }

    /// The lowest heat logit of a candidate, in 1/256; `None` where there is no such heat.
    fn lowest_candidate_logit(&self, class: Option<CellClass>) -> Option<i32> {
        let settings = self.of(class)?;
        Some(if self.all_cells {
            ALL_CELLS_LOGIT_Q8
        } else {
            lowest_logit(settings, settings.candidate_e4)
        })
    }

    fn is_certain(&self, candidate: &Candidate, plan: &ScalePlan) -> bool {
        let Some(class) = candidate.class else {
            return false;
        };
        let mut wanted = self.classes[class].accept_threshold_e4;
        if self.is_sliver(&clip(&candidate.bounds, plan.frame_px()), plan) {
            wanted = wanted.saturating_add(SLIVER_MARGIN_E4);
        }
        let runner_up = candidate.runner_up_e4;
        let is_clear = runner_up == 0
            || runner_up.saturating_add(RUNNER_UP_MARGIN_E4) <= candidate.confidence_e4;
        let is_sure = candidate.confidence_e4 >= wanted && is_clear;
        self.all_cells || (is_sure && !self.is_too_small_for_white(candidate, plan))
    }

    /// Whether a cell called white is as small as a red cell, though the frame does not cut it.
    fn is_too_small_for_white(&self, candidate: &Candidate, plan: &ScalePlan) -> bool {
        let bounds = &candidate.bounds;
        let (touches_x, touches_y) = touches_edges(&clip(bounds, plan.frame_px()), plan);
        if candidate.class != Some(CellClass::Wbc) || touches_x || touches_y {
            return false;
        }
        let diameter_q4 = self.network_rbc_diameter_px as i32 * SUBPIXELS;
        let red_q8 =
            i64::from(plan.to_frame_x_q4(diameter_q4)) * i64::from(plan.to_frame_y_q4(diameter_q4));
        let least_q8 = red_q8 * MIN_WHITE_DIAMETER_PERCENT * MIN_WHITE_DIAMETER_PERCENT;
        bounds.area_q8() * 100 * 100 < least_q8
    }

    /// Whether the frame's edge leaves too little of a cell to be as sure as usual.
    fn is_sliver(&self, seen: &BoundingBox, plan: &ScalePlan) -> bool {
        let (touches_x, touches_y) = touches_edges(seen, plan);
        let diameter_q4 = self.network_rbc_diameter_px as i32 * SUBPIXELS;
        (touches_x && seen.width_q4() * SLIVER_PART < plan.to_frame_x_q4(diameter_q4))
            || (touches_y && seen.height_q4() * SLIVER_PART < plan.to_frame_y_q4(diameter_q4))
    }
}

/// Whether the frame's edge cuts a box across, and whether it cuts it upright.
fn touches_edges(seen: &BoundingBox, plan: &ScalePlan) -> (bool, bool) {
    let (width_px, height_px) = plan.frame_px();
    let end_q4 = |side_px: u32| side_px as i32 * SUBPIXELS - TOUCH_TOLERANCE_Q4;
    let touches_x = seen.x0_q4 <= TOUCH_TOLERANCE_Q4 || seen.x1_q4 >= end_q4(width_px);
    let touches_y = seen.y0_q4 <= TOUCH_TOLERANCE_Q4 || seen.y1_q4 >= end_q4(height_px);
    (touches_x, touches_y)
}

/// A peak of one class's heat map, in the frame's pixels.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// `None`: none of these.
    class: Option<CellClass>,
    logit_q8: i16,
    confidence_e4: u16,
    /// Confidence of the strongest other class at the same place.
    runner_up_e4: u16,
    /// The whole box as the network sees it, in the frame, not clipped.
    bounds: BoundingBox,
    /// Place in the output, class by class, which breaks ties.
    order: u32,
}

impl Candidate {
    /// Sorts the most confident first; no two are equal.
    fn rank(&self) -> impl Ord + use<> {
        let strength = (self.confidence_e4, self.logit_q8);
        (Reverse(strength), self.order)
    }
}

/// The channels that follow the classes' heats.
const OFFSET_X_CHANNEL: usize = CellClass::COUNT;
const OFFSET_Y_CHANNEL: usize = CellClass::COUNT + 1;
const WIDTH_CHANNEL: usize = CellClass::COUNT + 2;
const HEIGHT_CHANNEL: usize = CellClass::COUNT + 3;

/// The channel of a class's heat, or of none of them.
fn heat_channel(class: Option<CellClass>) -> usize {
    class.map_or(NONE_CHANNEL, CellClass::index)
}

/// Places of the output that are compared at once.
const RUN_PLACES: usize = 8;

/// Finds cells in outputs one after another. All of its memory is taken when it is made, so that
/// detection itself allocates nothing.
#[derive(Debug)]
pub struct Detector {
    settings: DetectSettings,
    /// The heats that there are, each with the lowest logit of a candidate, in 1/256.
    floors: Vec<(Option<CellClass>, i32)>,
    /// The floors as they lie in [`RUN_PLACES`] places of an output; no bound on other channels.
    run_floors: Vec<i16>,
    candidates: Vec<Candidate>,
    kept: Vec<Candidate>,
    grid: Grid,
}

impl Detector {
    /// A detector for outputs of one network.
    pub fn new(settings: DetectSettings) -> Self {
        let heats = CellClass::ALL.map(Some).into_iter().chain([None]);
        let floors: Vec<_> = heats
            .filter_map(|class| Some((class, settings.lowest_candidate_logit(class)?)))
            .collect();
        let channels = HEAD_CHANNELS + usize::from(settings.none.is_some());
        let mut place_floors = vec![i16::MAX; channels];
        for &(class, floor) in &floors {
            // Within the range of a logit, so that nothing above a floor is passed over.
            let floor = floor.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            place_floors[heat_channel(class)] = floor;
        }
        let run_floors = place_floors.repeat(RUN_PLACES);
        Self {
            settings,
            floors,
            run_floors,
            candidates: Vec::with_capacity(2 * MAX_CANDIDATES),
            kept: Vec::with_capacity(MAX_CELLS),
            grid: Grid::with_room(),
        }
    }

    /// Finds the cells of one frame, in place of what `cells` held.
    ///
    /// `plan` is how the frame was shown to the network. Cells come with the most confident
    /// first, at most [`MAX_CELLS`]; `counted` is true for all: the border rule decides later.
    pub fn detect(&mut self, output: &NetworkOutput, plan: &ScalePlan, cells: &mut Vec<Cell>) {
        self.find_candidates(output, plan);
        self.candidates.sort_unstable_by_key(Candidate::rank);
        self.candidates.truncate(MAX_CANDIDATES);
        self.suppress_duplicates();
        cells.clear();
        cells.extend(self.kept.iter().map(|candidate| Cell {
            best_class: candidate.class,
            certain: self.settings.is_certain(candidate, plan),
            bounds: clip(&candidate.bounds, plan.frame_px()),
            confidence_e4: candidate.confidence_e4,
            counted: true,
        }));
    }

    /// Nearly every place lies far below the floors, so places are passed over in runs.
    fn find_candidates(&mut self, output: &NetworkOutput, plan: &ScalePlan) {
        self.candidates.clear();
        let columns = output.columns();
        let channels = output.channels();
        let row_values = columns * channels;
        if row_values == 0 {
            return;
        }
        for (row, values) in output.values().chunks_exact(row_values).enumerate() {
            for (run, values) in values.chunks(RUN_PLACES * channels).enumerate() {
                let reached = |(value, floor): (&i16, &i16)| value >= floor;
                let pairs = values.iter().zip(&self.run_floors);
                // Without a branch for each value, so that the compiler compares many at once.
                if !pairs.fold(false, |any, pair| any | reached(pair)) {
                    continue;
                }
                for (at, place) in values.chunks_exact(channels).enumerate() {
                    let column = run * RUN_PLACES + at;
                    for heat in 0..self.floors.len() {
                        let (class, floor) = self.floors[heat];
                        if i32::from(place[heat_channel(class)]) >= floor {
                            self.add_candidate(output, plan, (row, column), class);
                        }
                    }
                }
            }
        }
    }

    fn add_candidate(
        &mut self,
        output: &NetworkOutput,
        plan: &ScalePlan,
        (row, column): (usize, usize),
        class: Option<CellClass>,
    ) {
        let channel = heat_channel(class);
        let Some(settings) = self.settings.of(class) else {
            return;
        };
        if !is_peak(output, row, column, channel) {
            return;
        }
        let bounds = plan.to_frame_box(&network_box(output, row, column));
        if !shows_in_frame(&bounds, plan.frame_px()) {
            return;
        }
        if self.candidates.len() == 2 * MAX_CANDIDATES {
            let last_kept = MAX_CANDIDATES - 1;
            self.candidates
                .select_nth_unstable_by_key(last_kept, Candidate::rank);
            self.candidates.truncate(MAX_CANDIDATES);
        }
        let logit_q8 = output.value(row, column, channel);
        let place = (channel * output.rows() + row) * output.columns() + column;
        self.candidates.push(Candidate {
            class,
            logit_q8,
            confidence_e4: confidence_e4(logit_q8, settings),
            runner_up_e4: 0,
            bounds,
            order: place as u32,
        });
    }

    /// Keeps the most confident of boxes that mean the same cell, and notes runners-up of other
    /// classes. Kept boxes are binned by their centres, so that a crowded field costs no more
    /// than its neighbours.
    fn suppress_duplicates(&mut self) {
        self.kept.clear();
        self.grid.reset(&self.candidates);
        for candidate in &self.candidates {
            let mut is_duplicate = false;
            self.grid.for_each_near(&candidate.bounds, |index| {
                let stronger = &mut self.kept[index];
                let limit_e4 = if stronger.class == candidate.class {
                    SAME_CLASS_OVERLAP_E4
                } else {
                    RUNNER_UP_OVERLAP_E4
                };
                if !overlaps_more(&stronger.bounds, &candidate.bounds, limit_e4) {
                    return;
                }
                is_duplicate = true;
                if stronger.class != candidate.class {
                    stronger.runner_up_e4 = stronger.runner_up_e4.max(candidate.confidence_e4);
                }
            });
            if !is_duplicate && self.kept.len() < MAX_CELLS {
                self.grid.insert(&candidate.bounds);
                self.kept.push(*candidate);
            }
        }
    }
}

/// The calibrated probability of a heat logit, in ten-thousandths.
///
/// `logit_q8` is in 1/256; the class's slope and intercept are too (Platt scaling).
pub fn confidence_e4(logit_q8: i16, class: &ClassSettings) -> u16 {
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
        if confidence_e4(middle as i16, class) >= permyriad {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Whether no neighbour is higher; of equal neighbours the first in reading order is the peak.
fn is_peak(output: &NetworkOutput, row: usize, column: usize, channel: usize) -> bool {
    let logit = output.value(row, column, channel);
    let columns = column.saturating_sub(1)..(column + 2).min(output.columns());
    (row.saturating_sub(1)..(row + 2).min(output.rows())).all(|other_row| {
        columns.clone().all(|other_column| {
            let value = output.value(other_row, other_column, channel);
            let is_later = (other_row, other_column) >= (row, column);
            value < logit || (value == logit && is_later)
        })
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
    let (x, y) = (
        centre_q4(column, OFFSET_X_CHANNEL),
        centre_q4(row, OFFSET_Y_CHANNEL),
    );
    let (half_width, half_height) = (half_q4(WIDTH_CHANNEL), half_q4(HEIGHT_CHANNEL));
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

/// Whether two boxes share more than this part of their union.
fn overlaps_more(a: &BoundingBox, b: &BoundingBox, permyriad: i64) -> bool {
    let shared = a.intersection_q8(b);
    if shared == 0 {
        return false;
    }
    // Above the limit once rounded down to whole ten-thousandths.
    shared * PERMYRIAD >= (permyriad + 1) * (a.area_q8() + b.area_q8() - shared)
}

/// Bins along a side at most, whatever the frame's size.
const MAX_GRID_SIDE: i32 = 256;
/// Ends the list of a bin.
const NO_BOX: u32 = u32::MAX;

/// Kept boxes by the bins that their centres fall into: a list for each bin, all in two vectors.
#[derive(Debug)]
struct Grid {
    bin_q4: i32,
    columns: usize,
    rows: usize,
    /// The box that was last put into each bin.
    newest: Vec<u32>,
    /// For each box the one that was put into its bin before.
    older: Vec<u32>,
}

impl Grid {
    fn with_room() -> Self {
        let side = MAX_GRID_SIDE as usize + 1;
        Self {
            bin_q4: 1,
            columns: 1,
            rows: 1,
            newest: Vec::with_capacity(side * side),
            older: Vec::with_capacity(MAX_CELLS),
        }
    }

    /// Empties the grid. Bins are as wide as the largest box, so that a double's centre lies in
    /// the same or the next bin.
    fn reset(&mut self, candidates: &[Candidate]) {
        let (mut largest, mut end_x, mut end_y) = (1, 0, 0);
        for Candidate { bounds, .. } in candidates {
            let (x, y) = bounds.centre_doubled_q4();
            largest = largest.max(bounds.width_q4().max(bounds.height_q4()));
            (end_x, end_y) = (end_x.max(x / 2), end_y.max(y / 2));
        }
        self.bin_q4 = largest.max(end_x.max(end_y) / MAX_GRID_SIDE + 1);
        self.columns = (end_x / self.bin_q4) as usize + 1;
        self.rows = (end_y / self.bin_q4) as usize + 1;
        self.newest.clear();
        self.newest.resize(self.columns * self.rows, NO_BOX);
        self.older.clear();
    }

    fn bin_of(&self, bounds: &BoundingBox) -> (usize, usize) {
        let (x, y) = bounds.centre_doubled_q4();
        let index = |doubled: i32, count: usize| {
            ((doubled / 2 / self.bin_q4).max(0) as usize).min(count - 1)
        };
        (index(x, self.columns), index(y, self.rows))
    }

    /// Adds the next box: boxes are numbered from 0 in the order in which they are put in.
    fn insert(&mut self, bounds: &BoundingBox) {
        let (column, row) = self.bin_of(bounds);
        let newest = &mut self.newest[row * self.columns + column];
        // At most MAX_CELLS boxes.
        let number = self.older.len() as u32;
        self.older.push(std::mem::replace(newest, number));
    }

    /// Visits the numbers of all boxes in the same and the next bins.
    fn for_each_near(&self, bounds: &BoundingBox, mut visit: impl FnMut(usize)) {
        let (column, row) = self.bin_of(bounds);
        for near_row in row.saturating_sub(1)..(row + 2).min(self.rows) {
            for near_column in column.saturating_sub(1)..(column + 2).min(self.columns) {
                let mut number = self.newest[near_row * self.columns + near_column];
                while number != NO_BOX {
                    visit(number as usize);
                    number = self.older[number as usize];
                }
            }
        }
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
