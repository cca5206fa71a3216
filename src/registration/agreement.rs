//! Whether two fields agree where they overlap: the correlation of their images.

use super::reduced::{MAX_COLUMNS, ReducedView};

/// Side of the tiles that are each compared around their own mean, in blocks: uneven light, which
/// stays with the camera while the slide moves, is no difference.
const TILE: usize = 24;
/// A flat overlap, with less than this part of both fields' variance, holds no cell that could be
/// counted twice.
const MIN_VARIANCE_PART: u64 = 12;
/// The least correlation near a guess, in thousandths, from which it is worth to look closer.
const PROMISING_PERMILLE: i32 = 400;
/// Steps that a better place is followed.
const MAX_STEPS: usize = 3;
/// Rows compared from one to the next at first sight.
const SKIM: usize = 2;
/// Sixteenths of a block.
const PART: i32 = 16;

/// How well two fields agree under a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Where the corner of the older field lies in the new one, in sixteenths of a block.
    pub shift_q4: [i32; 2],
    /// The correlation, in thousandths.
    pub correlation_permille: i32,
    /// Blocks that lie over each other.
    pub blocks: usize,
}

/// The best agreement near a guess, which is a few blocks off at most.
pub(super) fn near(
    field: ReducedView<'_>,
    older: ReducedView<'_>,
    guess: [i32; 2],
) -> Option<Agreement> {
    let skim = |shift| correlation_permille(field, older, shift, SKIM);
    let mut best = (guess, skim(guess)?);
    for beside in around(guess, 2) {
        improve(&mut best, beside, skim);
    }
    if best.1 < PROMISING_PERMILLE {
        return None;
    }
    let at = |shift| correlation_permille(field, older, shift, 1);
    let mut best = (best.0, at(best.0)?);
    for _ in 0..MAX_STEPS {
        let middle = best.0;
        for beside in around(middle, 1) {
            improve(&mut best, beside, at);
        }
        if best.0 == middle {
            break;
        }
    }
    let (shift, correlation_permille) = best;
    let between = [[1, 0], [0, 1]].map(|[right, down]| {
        let beside = [-1, 1].map(|sign| at([shift[0] + sign * right, shift[1] + sign * down]));
        let [before, after] = beside;
        peak_q4(before?, correlation_permille, after?)
    });
    let shift_q4 = [0, 1].map(|axis| shift[axis] * PART + between[axis].unwrap_or(0));
    // At whole blocks a true overlap agrees some hundredths less than it could.
    let fine = fine_correlation_permille(field, older, shift_q4).unwrap_or(0);
    Some(Agreement {
        shift_q4,
        correlation_permille: correlation_permille.max(fine),
        blocks: Overlap::of(field, shift)?.blocks(),
    })
}

/// The eight shifts so many blocks beside one.
fn around([x, y]: [i32; 2], apart: i32) -> impl Iterator<Item = [i32; 2]> {
    let row = move |down: i32| [-1, 0, 1].map(|right| [x + right * apart, y + down * apart]);
    [-1, 0, 1]
        .into_iter()
        .flat_map(row)
        .filter(move |shift| *shift != [x, y])
}

fn improve(best: &mut ([i32; 2], i32), shift: [i32; 2], at: impl Fn([i32; 2]) -> Option<i32>) {
    if let Some(correlation) = at(shift)
        && correlation > best.1
    {
        *best = (shift, correlation);
    }
}

/// Where a parabola through three values has its peak, in sixteenths from the middle one.
fn peak_q4(before: i32, here: i32, after: i32) -> Option<i32> {
    let bend = 2 * here - before - after;
    (bend > 0).then(|| ((after - before) * PART / 2 / bend).clamp(-PART / 2, PART / 2))
}

/// What a shift leaves in common.
#[derive(Debug, Clone, Copy)]
struct Overlap {
    /// Its corner in the new field, and in the older one.
    corners: [[usize; 2]; 2],
    columns: usize,
    rows: usize,
}

impl Overlap {
    fn of(field: ReducedView<'_>, shift: [i32; 2]) -> Option<Self> {
        let sides = [field.shape.columns, field.shape.rows];
        let lengths =
            [0, 1].map(|axis| sides[axis].checked_sub(shift[axis].unsigned_abs() as usize));
        let [columns, rows] = [lengths[0]?, lengths[1]?];
        (columns > 0 && rows > 0).then_some(Self {
            corners: [
                shift.map(|along| along.max(0) as usize),
                shift.map(|along| (-along).max(0) as usize),
            ],
            columns,
            rows,
        })
    }

    fn blocks(&self) -> usize {
        self.columns * self.rows
    }
}

/// Sums over one tile.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: i64,
    own: i64,
    other: i64,
    own_squares: i64,
    other_squares: i64,
    products: i64,
}

impl Sums {
    fn add_row<T: Copy + Into<u32>>(&mut self, own: &[u8], other: &[T]) {
        // A row of a tile stays far within 32 bits.
        let mut sums = [0u32; 5];
        for (a, b) in own.iter().zip(other) {
            let (a, b): (u32, u32) = (u32::from(*a), (*b).into());
            sums[0] += a;
            sums[1] += b;
            sums[2] += a * a;
            sums[3] += b * b;
            sums[4] += a * b;
        }
        let [a, b, aa, bb, ab] = sums.map(i64::from);
        self.count += own.len() as i64;
        self.own += a;
        self.other += b;
        self.own_squares += aa;
        self.other_squares += bb;
        self.products += ab;
    }
}

/// The correlation under a shift, in thousandths, of every `step`th row; `None` where nothing lies
/// over anything, or one of them is flat there.
fn correlation_permille(
    field: ReducedView<'_>,
    older: ReducedView<'_>,
    shift: [i32; 2],
    step: usize,
) -> Option<i32> {
    let overlap = Overlap::of(field, shift)?;
    let stride = field.shape.columns;
    let (mut product, mut own, mut other) = (0i64, 0i64, 0i64);
    for top in (0..overlap.rows).step_by(TILE) {
        for left in (0..overlap.columns).step_by(TILE) {
            let columns = TILE.min(overlap.columns - left);
            let mut sums = Sums::default();
            for row in (top..(top + TILE).min(overlap.rows)).step_by(step) {
                let [a, b] = [0, 1].map(|side| {
                    let [x, y] = overlap.corners[side];
                    (y + row) * stride + x + left
                });
                sums.add_row(&field.levels[a..][..columns], &older.levels[b..][..columns]);
            }
            product += sums.products - sums.own * sums.other / sums.count;
            own += sums.own_squares - sums.own * sums.own / sums.count;
            other += sums.other_squares - sums.other * sums.other / sums.count;
        }
    }
    let least =
        |variance: u32| u64::from(variance) * (overlap.blocks() / step) as u64 / MIN_VARIANCE_PART;
    let is_flat = |sum: i64, variance: u32| sum.unsigned_abs() < least(variance).max(1);
    if is_flat(own, field.variance) || is_flat(other, older.variance) {
        return None;
    }
    // Each below 2^31, as 19,200 squares of a byte.
    let scale = (own.unsigned_abs() * other.unsigned_abs()).isqrt() as i64;
    Some((product * 1000 / scale.max(1)) as i32)
}

/// What a shift leaves in common, without blocks that would need one beyond a border.
#[derive(Debug, Clone, Copy)]
struct FineOverlap {
    /// Its corner in the new field, and in the older one.
    corners: [[usize; 2]; 2],
    columns: usize,
    rows: usize,
    /// How far beyond whole blocks the older field lies, in sixteenths.
    beyond_q4: [u16; 2],
}

impl FineOverlap {
    fn of(field: ReducedView<'_>, shift_q4: [i32; 2]) -> Option<Self> {
        let sides = [field.shape.columns, field.shape.rows];
        // The older image is taken between a block and the one before it.
        let whole = shift_q4.map(|along| along.div_euclid(PART));
        let beyond_q4 = shift_q4.map(|along| along.rem_euclid(PART) as u16);
        let starts = whole.map(|along| (along + 1).max(0));
        let lengths = [0, 1].map(|axis| {
            let end = sides[axis] as i32 + whole[axis].min(0);
            usize::try_from(end - starts[axis]).ok()
        });
        let [columns, rows] = [lengths[0]?, lengths[1]?];
        (columns > 0 && rows > 0).then_some(Self {
            corners: [
                starts.map(|along| along as usize),
                [0, 1].map(|axis| (starts[axis] - whole[axis]) as usize),
            ],
            columns,
            rows,
            beyond_q4,
        })
    }
}

/// The correlation under a shift between blocks, in thousandths; `None` where nothing lies over
/// anything, or one of them is flat there.
fn fine_correlation_permille(
    field: ReducedView<'_>,
    older: ReducedView<'_>,
    shift_q4: [i32; 2],
) -> Option<i32> {
    let overlap = FineOverlap::of(field, shift_q4)?;
    let stride = field.shape.columns;
    let [[x, y], [older_x, older_y]] = overlap.corners;
    let (mut product, mut own, mut other) = (0i64, 0i64, 0i64);
    let mut between = [0u16; MAX_COLUMNS];
    for top in (0..overlap.rows).step_by(TILE) {
        let mut tiles = [Sums::default(); MAX_COLUMNS.div_ceil(TILE)];
        for row in top..(top + TILE).min(overlap.rows) {
            let here = &field.levels[(y + row) * stride + x..][..overlap.columns];
            let between = &mut between[..overlap.columns];
            interpolate(older, [older_x, older_y + row], overlap.beyond_q4, between);
            for (sums, (a, b)) in tiles
                .iter_mut()
                .zip(here.chunks(TILE).zip(between.chunks(TILE)))
            {
                sums.add_row(a, b);
            }
        }
        for sums in tiles.iter().filter(|sums| sums.count > 0) {
            product += sums.products - sums.own * sums.other / sums.count;
            own += sums.own_squares - sums.own * sums.own / sums.count;
            other += sums.other_squares - sums.other * sums.other / sums.count;
        }
    }
    // Below 2^31 and 2^39: 19,200 squares of 255 and of 4,080.
    let scale = (own.max(0) as u128 * other.max(0) as u128).isqrt() as i64;
    (scale > 0).then(|| (product * 1000 / scale) as i32)
}

/// A row of the older field between its blocks and those before them, in 1/16 of a level.
fn interpolate(older: ReducedView<'_>, [x, y]: [usize; 2], beyond_q4: [u16; 2], out: &mut [u16]) {
    let stride = older.shape.columns;
    let [right, down] = beyond_q4;
    // Where nothing lies beyond, the block before has no weight, and may not be there.
    let line = |y: usize, x: usize| &older.levels[y * stride + x..][..out.len()];
    let rows = [y - usize::from(down > 0), y];
    let columns = [x - usize::from(right > 0), x];
    let weight = PART as u16;
    let [above_left, above] = columns.map(|x| line(rows[0], x));
    let [left, here] = columns.map(|x| line(rows[1], x));
    let count = out.len();
    let (above_left, above, left, here) = (
        &above_left[..count],
        &above[..count],
        &left[..count],
        &here[..count],
    );
    for at in 0..count {
        let mix =
            |before: u8, after: u8| right * u16::from(before) + (weight - right) * u16::from(after);
        let (upper, lower) = (mix(above_left[at], above[at]), mix(left[at], here[at]));
        // Both at most 4,080, so that the sum needs 16 bits just so.
        out[at] = (down * upper + (weight - down) * lower) / weight;
    }
}
