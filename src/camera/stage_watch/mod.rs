//! Watches the stage through the camera: whether it rests, and whether it rests on a field that
//! has been seen before.
//!
//! Every frame is reduced to a small grid of block means, in integers. Two frames in a row that
//! hardly differ show a stage at rest. A field at rest is compared with the last few fields under
//! every shift; where it overlaps one of them, it is that field again.
//!
//! **No cell may be counted twice.** So a field that overlaps a counted one by a tenth of its area
//! or more, in any direction, is not counted: all of it is left out, since cells of the overlap
//! cannot be told from the others without matching them one by one. A smaller overlap cannot be
//! told from chance at this resolution.

use crate::image::frame::Frame;

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

/// What is compared between fields is what stands out from its surroundings: uneven light and
/// vignetting, which stay with the camera, do not.
const SURROUNDINGS_BLOCKS: usize = 3;
/// The least overlap that is found, as a part of the field's area.
const MIN_OVERLAP_PART: usize = 10;
/// The correlation from which two fields overlap, in thousandths. Simulated fields are found
/// again down to a tenth in common, half a block off along both sides. Of 383 photographed fields
/// of 640x480 and 416x416 pixels, each compared with the four before it, 8 were taken for the one
/// before, all neighbours in their series; of 890 crops around one large white cell, which are no
/// fields, 19 were.
const MIN_CORRELATION_PERMILLE: u128 = 700;
/// The correlation near which it is worth looking: one block beside a true overlap along both
/// sides it is still above this.
const NEARLY_PERMILLE: u128 = 250;
/// Blocks from one shift that is tried to the next; those between are tried where it is worth it.
const SHIFT_STEP: usize = 2;
/// Places remembered. Frames on their way to be counted are fewer.
const PLACES: usize = 4;

/// What one more frame shows of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageState {
    /// It moves, or is seen for the first time.
    Moving,
    /// It rests on a field. Every field that overlaps no counted one has another number.
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
    detail: Detail,
    places: Vec<Place>,
    next_place: usize,
    fields: u64,
    correlation: Correlation,
    has_observed: bool,
}

/// How a field looked at rest.
#[derive(Debug, Default)]
struct Place {
    field: Option<u64>,
    detail: Detail,
}

impl Default for StageWatch {
    fn default() -> Self {
        Self {
            now: LumaGrid::default(),
            last: LumaGrid::default(),
            resting: None,
            rest: LumaGrid::default(),
            detail: Detail::default(),
            places: (0..PLACES).map(|_| Place::default()).collect(),
            next_place: 0,
            fields: 0,
            correlation: Correlation::default(),
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
        let field = self.name_field(is_settled);
        self.resting = Some(field);
        self.rest.copy_from(&self.now);
        StageState::Resting { field }
    }

    /// Another slide lies on the stage: what was seen before is none of its fields. Numbers go on.
    pub fn forget_fields(&mut self) {
        self.resting = None;
        self.places.iter_mut().for_each(|place| place.field = None);
    }

    /// The number of the field that the stage has come to rest on.
    fn name_field(&mut self, is_settled: impl Fn(u64) -> bool) -> u64 {
        self.detail.of(&self.now);
        let newest = self.fields.checked_sub(1);
        let mut again = None;
        for place in &self.places {
            let Some(field) = place.field else {
                continue;
            };
            let settled = is_settled(field);
            // A field that was left without a good frame is a new one when the stage comes back.
            let matters = settled || place.field == newest;
            if matters && self.correlation.overlap(&self.detail, &place.detail) {
                if settled {
                    return field;
                }
                again = Some(field);
            }
        }
        let field = again.unwrap_or(self.fields);
        self.fields = self.fields.max(field + 1);
        let place = &mut self.places[self.next_place];
        place.field = Some(field);
        std::mem::swap(&mut place.detail, &mut self.detail);
        self.next_place = (self.next_place + 1) % PLACES;
        field
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

/// What stands out from its surroundings in each block, in 1/16 of a level. It is cut off at its
/// mean, so that every edge says as much as any other: else two fields with a dark white cell
/// each would look alike wherever the two lie over each other.
#[derive(Debug)]
struct Detail {
    blocks_q4: Vec<i16>,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            blocks_q4: vec![0; BLOCKS],
        }
    }
}

impl Detail {
    fn of(&mut self, grid: &LumaGrid) {
        let near = |at: usize, end: usize| {
            at.saturating_sub(SURROUNDINGS_BLOCKS)..(at + SURROUNDINGS_BLOCKS + 1).min(end)
        };
        for (at, block) in self.blocks_q4.iter_mut().enumerate() {
            let (row, column) = (at / COLUMNS, at % COLUMNS);
            let (rows, columns) = (near(row, ROWS), near(column, COLUMNS));
            let count = (rows.len() * columns.len()) as i32;
            let sum: i32 = rows
                .map(|row| &grid.means_q4[row * COLUMNS..][columns.clone()])
                .map(|row| row.iter().map(|mean| i32::from(*mean)).sum::<i32>())
                .sum();
            // Within the range of the means on both sides of zero.
            *block = (i32::from(grid.means_q4[at]) - sum / count) as i16;
        }
        let total: u32 = self
            .blocks_q4
            .iter()
            .map(|block| u32::from(block.unsigned_abs()))
            .sum();
        // At most the largest of them.
        let limit = (total / BLOCKS as u32).max(1) as i16;
        for block in &mut self.blocks_q4 {
            *block = (*block).clamp(-limit, limit);
        }
    }

    fn row(&self, row: usize) -> &[i16] {
        &self.blocks_q4[row * COLUMNS..][..COLUMNS]
    }
}

/// A shift of one grid against another, in blocks.
#[derive(Debug, Clone, Copy)]
struct Shift {
    columns: isize,
    rows: isize,
}

/// Part of a grid.
#[derive(Debug, Clone, Copy)]
struct Window {
    left: usize,
    top: usize,
    columns: usize,
    rows: usize,
}

impl Shift {
    /// The shift itself and those beside it that leave an overlap.
    fn neighbours(self) -> impl Iterator<Item = Self> {
        (-1..=1)
            .flat_map(move |row| {
                (-1..=1).map(move |column| Self {
                    columns: self.columns + column,
                    rows: self.rows + row,
                })
            })
            .filter(|shift| {
                shift.columns.unsigned_abs() < COLUMNS && shift.rows.unsigned_abs() < ROWS
            })
    }

    /// The parts that lie over each other: of the first grid, and of the second.
    fn windows(self) -> [Window; 2] {
        let part = |sign: isize| Window {
            left: (sign * self.columns).max(0) as usize,
            top: (sign * self.rows).max(0) as usize,
            columns: COLUMNS - self.columns.unsigned_abs(),
            rows: ROWS - self.rows.unsigned_abs(),
        };
        [part(1), part(-1)]
    }
}

/// Tells whether two fields overlap.
#[derive(Debug)]
struct Correlation {
    /// Sums of the squares of all blocks above and left of each, for both fields.
    energies: [Vec<u64>; 2],
}

impl Default for Correlation {
    fn default() -> Self {
        Self {
            energies: [(); 2].map(|()| vec![0; (COLUMNS + 1) * (ROWS + 1)]),
        }
    }
}

impl Correlation {
    fn overlap(&mut self, first: &Detail, second: &Detail) -> bool {
        sum_squares(first, &mut self.energies[0]);
        sum_squares(second, &mut self.energies[1]);
        let unshifted = Shift {
            columns: 0,
            rows: 0,
        };
        // Most often nothing has moved, and the other shifts need not be tried.
        self.agree(first, second, unshifted) || self.any_shift_agrees(first, second)
    }

    fn any_shift_agrees(&self, first: &Detail, second: &Detail) -> bool {
        let rows_end = ROWS as isize;
        (1 - rows_end..rows_end).step_by(SHIFT_STEP).any(|rows| {
            let height = ROWS - rows.unsigned_abs();
            let narrowest = BLOCKS.div_ceil(MIN_OVERLAP_PART * height);
            let reach = COLUMNS as isize - narrowest as isize;
            (-reach..=reach).step_by(SHIFT_STEP).any(|columns| {
                let shift = Shift { columns, rows };
                self.reaches(first, second, shift, NEARLY_PERMILLE)
                    && shift
                        .neighbours()
                        .any(|near| self.agree(first, second, near))
            })
        })
    }

    fn agree(&self, first: &Detail, second: &Detail, shift: Shift) -> bool {
        self.reaches(first, second, shift, MIN_CORRELATION_PERMILLE)
    }

    /// Whether the correlation under a shift reaches a limit, in whole numbers.
    fn reaches(&self, first: &Detail, second: &Detail, shift: Shift, permille: u128) -> bool {
        let windows = shift.windows();
        let product = dot(first, second, windows);
        if product <= 0 {
            return false;
        }
        let [a, b] = [0, 1].map(|at| u128::from(window_sum(&self.energies[at], windows[at])));
        let product = u128::from(product.unsigned_abs()) * 1000;
        product * product >= permille * permille * a * b
    }
}

/// Sum of the products of blocks that lie over each other.
fn dot(first: &Detail, second: &Detail, [a, b]: [Window; 2]) -> i64 {
    (0..a.rows)
        .map(|row| {
            let a_row = &first.row(a.top + row)[a.left..][..a.columns];
            let b_row = &second.row(b.top + row)[b.left..][..b.columns];
            let pairs = a_row.iter().zip(b_row);
            // A row of 80 products of 12-bit numbers stays within 32 bits.
            let sum: i32 = pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            i64::from(sum)
        })
        .sum()
}

fn sum_squares(detail: &Detail, sums: &mut [u64]) {
    let stride = COLUMNS + 1;
    for row in 0..ROWS {
        let mut along = 0;
        for (column, block) in detail.row(row).iter().enumerate() {
            along += u64::from(block.unsigned_abs()).pow(2);
            sums[(row + 1) * stride + column + 1] = sums[row * stride + column + 1] + along;
        }
    }
}

fn window_sum(sums: &[u64], window: Window) -> u64 {
    let at = |column: usize, row: usize| sums[row * (COLUMNS + 1) + column];
    let (right, bottom) = (window.left + window.columns, window.top + window.rows);
    at(right, bottom) + at(window.left, window.top)
        - at(window.left, bottom)
        - at(right, window.top)
}

#[cfg(test)]
mod tests;
