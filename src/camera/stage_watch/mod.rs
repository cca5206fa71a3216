//! Watches the stage through the camera: whether it rests, and whether the place that it rests on
//! was counted before.
//!
//! Every frame is reduced to a small grid of block means, in integers. Two frames in a row that
//! hardly differ show a stage at rest. Every rest is a field with a number of its own; what of it
//! was counted before, the [`Registry`] of the smear says.

use crate::image::frame::Frame;
use crate::registration::{FrameReduced, Placement, Registry, Ticket};

/// Blocks across a frame.
const COLUMNS: usize = 80;
/// Blocks down a frame.
const ROWS: usize = 60;
const BLOCKS: usize = COLUMNS * ROWS;
/// Pixels looked at along each side of a block, at most, so that a large frame costs no more.
const MAX_SAMPLES: usize = 8;
/// Steps of one level.
const LEVEL: u32 = 16;

/// A stage moves if the blocks change by more than this part of their difference from their
/// neighbours: two to three pixels of 640 across between two frames.
const MOTION_PART: u32 = 4;
/// The least change that is motion, in 1/16 of a level: an empty field has no neighbours that
/// differ.
const MIN_MOTION_Q4: u32 = 8;

/// What one more frame shows of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageState {
    /// It moves, or is seen for the first time.
    Moving,
    /// It rests on a field. Every rest has another number, but for a field that waits for a good
    /// frame: while more than half of it stays in view, it is the same.
    Resting {
        /// The field's number.
        field: u64,
    },
}

/// Watches one stream of frames. Its memory is taken when it is made.
#[derive(Debug)]
pub struct StageWatch {
    now: LumaGrid,
    last: LumaGrid,
    /// The field that the stage rests on, and how it looked at first.
    resting: Option<u64>,
    rest: LumaGrid,
    fields: u64,
    /// The newest field, as it looked at first.
    newest: Registry,
    newest_frame: FrameReduced,
    /// Fields that are counted, or on their way to be.
    accepted: Registry,
    reduced: FrameReduced,
    has_observed: bool,
}

impl Default for StageWatch {
    fn default() -> Self {
        Self {
            now: LumaGrid::default(),
            last: LumaGrid::default(),
            resting: None,
            rest: LumaGrid::default(),
            fields: 0,
            newest: Registry::with_room(1),
            newest_frame: FrameReduced::default(),
            accepted: Registry::default(),
            reduced: FrameReduced::default(),
            has_observed: false,
        }
    }
}

impl StageWatch {
    /// Looks at the next frame; `is_settled` tells whether a field needs no more frames.
    pub fn observe(&mut self, frame: &Frame, is_settled: impl Fn(u64) -> bool) -> StageState {
        std::mem::swap(&mut self.now, &mut self.last);
        self.now.observe(frame);
        let is_first = !std::mem::replace(&mut self.has_observed, true);
        if let Some(field) = self.resting
            && self.now.is_still_as(&self.rest)
        {
            return StageState::Resting { field };
        }
        self.resting = None;
        if is_first || !self.now.is_still_as(&self.last) {
            return StageState::Moving;
        }
        let field = self.name_field(frame, is_settled);
        self.resting = Some(field);
        self.rest.copy_from(&self.now);
        StageState::Resting { field }
    }

    /// What of a frame was counted before. The frame is accepted at once where it has something
    /// new, so that the next field is compared with it too; the ticket takes it back.
    pub fn accept_new_part(&mut self, frame: &Frame) -> (Placement, Option<Ticket>) {
        self.reduced.reduce(frame);
        let placement = self.accepted.assess(&self.reduced);
        let is_new = placement != Placement::CountedBefore;
        let ticket = is_new.then(|| self.accepted.accept(&self.reduced));
        (placement, ticket)
    }

    /// A frame that was accepted is not counted after all.
    pub fn withdraw(&mut self, ticket: Ticket) {
        self.accepted.withdraw(ticket);
    }

    /// Another slide lies on the stage: what was seen before is none of its fields. Numbers go on.
    ///
    /// The place that it rested on last belongs to the slide before: while that still lies there,
    /// the place is counted before.
    pub fn forget_fields(&mut self) {
        self.accepted.clear();
        self.accepted.accept(&self.newest_frame);
        self.newest.clear();
        self.resting = None;
    }

    /// The number of the field that the stage has come to rest on.
    fn name_field(&mut self, frame: &Frame, is_settled: impl Fn(u64) -> bool) -> u64 {
        self.reduced.reduce(frame);
        let newest = self.fields.checked_sub(1);
        if let Some(newest) = newest.filter(|field| !is_settled(*field))
            && self.newest.assess(&self.reduced) == Placement::CountedBefore
        {
            return newest;
        }
        std::mem::swap(&mut self.newest_frame, &mut self.reduced);
        self.newest.accept(&self.newest_frame);
        self.fields += 1;
        self.fields - 1
    }
}

/// Means of the blocks of a frame.
#[derive(Debug)]
struct LumaGrid {
    /// Green, in 1/16 of a level: cells darken it most.
    means_q4: Vec<i16>,
    /// Mean difference between two halves of a block whose pixels lie between each other, which
    /// only noise and the finest detail cause, in 1/16 of a level.
    noise_q4: u32,
    /// Mean difference between neighbours along a row, in 1/16 of a level.
    texture_q4: u32,
}

impl Default for LumaGrid {
    fn default() -> Self {
        Self {
            means_q4: vec![0; BLOCKS],
            noise_q4: 0,
            texture_q4: 0,
        }
    }
}

/// The pixels of one block.
#[derive(Debug, Clone, Copy, Default)]
struct BlockSums {
    /// Sums of the pixels on the light and on the dark squares of a chequered board.
    levels: [u32; 2],
    pixels: [u32; 2],
}

impl LumaGrid {
    fn observe(&mut self, frame: &Frame) {
        let (width, height) = (frame.width_px() as usize, frame.height_px() as usize);
        let mut noise_q4 = 0;
        let mut texture_q4 = 0;
        for (block_row, means) in self.means_q4.chunks_exact_mut(COLUMNS).enumerate() {
            let rows = covered(block_row, ROWS, height);
            let row_step = rows.len().div_ceil(MAX_SAMPLES);
            let mut blocks = [BlockSums::default(); COLUMNS];
            for (row_number, y) in rows.step_by(row_step).enumerate() {
                let (pixels, _) = frame.row(y as u32).as_chunks::<3>();
                for (block, sums) in blocks.iter_mut().enumerate() {
                    let columns = covered(block, COLUMNS, width);
                    let step = columns.len().div_ceil(MAX_SAMPLES);
                    for (number, pixel) in pixels[columns].iter().step_by(step).enumerate() {
                        let square = (row_number + number) % 2;
                        sums.levels[square] += u32::from(pixel[1]);
                        sums.pixels[square] += 1;
                    }
                }
            }
            for (mean, sums) in means.iter_mut().zip(blocks) {
                let [light, dark] =
                    [0, 1].map(|square| sums.levels[square] * LEVEL / sums.pixels[square].max(1));
                if sums.pixels[1] > 0 {
                    noise_q4 += light.abs_diff(dark);
                }
                let levels: u32 = sums.levels.iter().sum();
                // At most 255 levels.
                *mean = (levels * LEVEL / sums.pixels.iter().sum::<u32>()) as i16;
            }
            let pairs = means.windows(2);
            texture_q4 += pairs
                .map(|pair| u32::from(pair[0].abs_diff(pair[1])))
                .sum::<u32>();
        }
        self.noise_q4 = noise_q4 / BLOCKS as u32;
        self.texture_q4 = texture_q4 / BLOCKS as u32;
    }

    fn copy_from(&mut self, other: &Self) {
        self.means_q4.copy_from_slice(&other.means_q4);
        self.noise_q4 = other.noise_q4;
        self.texture_q4 = other.texture_q4;
    }

    /// Whether nothing has moved since another frame. Noise changes a block by less than it makes
    /// the halves of a block differ, whatever its strength.
    fn is_still_as(&self, other: &Self) -> bool {
        let texture_q4 = self.texture_q4.min(other.texture_q4);
        let limit_q4 = (texture_q4 / MOTION_PART)
            .max(self.noise_q4)
            .max(MIN_MOTION_Q4);
        self.change_q4(other) <= limit_q4
    }

    /// Mean change of a block since another frame, leaving out what all blocks have in common: a
    /// lamp that flickers is no motion.
    fn change_q4(&self, other: &Self) -> u32 {
        let pairs = || self.means_q4.iter().zip(&other.means_q4);
        let changes = || pairs().map(|(now, then)| i32::from(*now) - i32::from(*then));
        let common = changes().sum::<i32>() / BLOCKS as i32;
        let total: u32 = changes()
            .map(|change| (change - common).unsigned_abs())
            .sum();
        total / BLOCKS as u32
    }
}

/// The pixels along one side that a block covers; never none.
fn covered(block: usize, blocks: usize, side_px: usize) -> std::ops::Range<usize> {
    let start = block * side_px / blocks;
    start..((block + 1) * side_px / blocks).max(start + 1)
}

#[cfg(test)]
mod tests;
