//! Where two fields may overlap: every pair of edges of one direction votes for the shift that
//! would lay one over the other (a generalised Hough transform, Ballard 1981).
//!
//! It costs a few microseconds a field, so that all fields of a smear can be asked, and finds
//! places that are worth a look; whether they agree is seen in the images.

use super::reduced::{
    DIRECTIONS, EdgePoint, MAX_COLUMNS, MAX_POINTS, MAX_ROWS, POINT_BLOCKS, ReducedView, STRIDE,
};

/// Edge points near the frame's border that vote, at most: every overlap reaches the border, and
/// a narrow one holds little else.
const MAX_OUTER_VOTERS: usize = 360;
/// Edge points further inside that vote, at most.
const MAX_INNER_VOTERS: usize = 90;
/// How far from the border its points reach, in places of their grid.
const OUTER: usize = 6;
/// Votes for a shift lie in a table of [`STRIDE`] columns; the shift of nothing is in its middle.
const MIDDLE: usize = (MAX_ROWS / POINT_BLOCKS) * STRIDE + MAX_COLUMNS / POINT_BLOCKS;
/// Places of the table: a power of two, so that every index can be cut to it.
const TABLE: usize = 1 << 15;
/// Rows of the table that are used.
const TABLE_ROWS: usize = 2 * MAX_ROWS / POINT_BLOCKS;
/// Places of the grid of edge points, and one more row and column.
const SUM_STRIDE: usize = MAX_COLUMNS / POINT_BLOCKS + 1;
const SUMS: usize = SUM_STRIDE * (MAX_ROWS / POINT_BLOCKS + 1);
/// The least votes for a shift that is worth a look.
const MIN_VOTES: u32 = 5;
/// The least part of the voters in the overlap that have to agree, in 1/256.
const MIN_PART_Q8: u32 = 110;
/// The least overlap that is looked for, as a part of the field.
const MIN_OVERLAP_PART: usize = 50;
/// Votes that are enough for any shift.
const MOST_WANTED: u8 = 200;
/// Stands where a shift leaves too small an overlap.
const NEVER: u8 = u8::MAX;

/// A shift that is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    /// Where the corner of the older field lies in the new one, in blocks.
    pub shift: [i32; 2],
    /// The square of the votes for each voter in the overlap, in sixteenths: a large part of many
    /// voters says more than all of a few.
    pub evidence_q4: u16,
}

/// The table of votes. Its memory is taken when it is made.
#[derive(Debug, Clone)]
pub(super) struct Votes {
    voters: Vec<EdgePoint>,
    starts: [usize; DIRECTIONS + 1],
    /// Voters above and left of each place.
    sums: Vec<u16>,
    /// Votes from which a shift is worth a look.
    wanted: Vec<u8>,
    /// Voters in the overlap that a shift leaves.
    in_overlap: Vec<u16>,
    table: Vec<u8>,
}

impl Default for Votes {
    fn default() -> Self {
        Self {
            voters: Vec::with_capacity(MAX_POINTS),
            starts: [0; DIRECTIONS + 1],
            sums: vec![0; SUMS],
            wanted: vec![NEVER; TABLE],
            in_overlap: vec![0; TABLE],
            table: vec![0; TABLE],
        }
    }
}

impl Votes {
    /// Takes the field in that others are compared with.
    pub fn prepare(&mut self, field: ReducedView<'_>) {
        let columns = field.shape.columns / POINT_BLOCKS;
        let rows = field.shape.rows / POINT_BLOCKS;
        let is_outer = |point: &EdgePoint| {
            let (row, column) = (usize::from(*point) / STRIDE, usize::from(*point) % STRIDE);
            let is_inner =
                |at: usize, side: usize| (OUTER..side.saturating_sub(OUTER)).contains(&at);
            !(is_inner(row, rows) && is_inner(column, columns))
        };
        let outer = field.points.iter().filter(|point| is_outer(point)).count();
        let outer_step = outer.div_ceil(MAX_OUTER_VOTERS).max(1);
        let inner_step = (field.points.len() - outer)
            .div_ceil(MAX_INNER_VOTERS)
            .max(1);
        self.voters.clear();
        let mut seen = [0usize; 2];
        for direction in 0..DIRECTIONS {
            self.starts[direction] = self.voters.len();
            for point in field.points_of(direction) {
                let (number, step) = match is_outer(point) {
                    true => (&mut seen[0], outer_step),
                    false => (&mut seen[1], inner_step),
                };
                if number.is_multiple_of(step) {
                    self.voters.push(*point);
                }
                *number += 1;
            }
        }
        self.starts[DIRECTIONS] = self.voters.len();
        self.sum_voters();
        self.set_wanted(columns, rows);
    }

    fn sum_voters(&mut self) {
        self.sums.fill(0);
        for voter in &self.voters {
            let (row, column) = (usize::from(*voter) / STRIDE, usize::from(*voter) % STRIDE);
            self.sums[(row + 1) * SUM_STRIDE + column + 1] += 1;
        }
        for at in 0..SUMS {
            if at % SUM_STRIDE > 0 {
                self.sums[at] += self.sums[at - 1];
            }
        }
        for at in SUM_STRIDE..SUMS {
            self.sums[at] += self.sums[at - SUM_STRIDE];
        }
    }

    fn set_wanted(&mut self, columns: usize, rows: usize) {
        self.wanted.fill(NEVER);
        let least = (columns * rows).div_ceil(MIN_OVERLAP_PART).max(1);
        let ends = |shift: i32, side: usize| {
            let side = side as i32;
            [shift.max(0), (side + shift).min(side)].map(|end| end.max(0) as usize)
        };
        let (columns_end, rows_end) = (columns as i32, rows as i32);
        for down in 1 - rows_end..rows_end {
            let [top, bottom] = ends(down, rows);
            for right in 1 - columns_end..columns_end {
                let [left, end] = ends(right, columns);
                if (end - left) * (bottom - top) < least {
                    continue;
                }
                let at = |column: usize, row: usize| self.sums[row * SUM_STRIDE + column];
                let voters = at(end, bottom) + at(left, top) - at(left, bottom) - at(end, top);
                let place = place_of([right, down]);
                let wanted = (u32::from(voters) * MIN_PART_Q8 / 256).max(MIN_VOTES);
                self.in_overlap[place] = voters;
                self.wanted[place] = wanted.min(u32::from(MOST_WANTED)) as u8;
            }
        }
    }

    /// The shifts that are worth a look for an older field of the same shape, the best first.
    pub fn guesses<const COUNT: usize>(
        &mut self,
        field: ReducedView<'_>,
    ) -> [Option<Guess>; COUNT] {
        self.vote(field);
        let mut best = [None; COUNT];
        for row in 0..TABLE_ROWS - 1 {
            let start = row * STRIDE;
            if !self.has_hit(start) {
                continue;
            }
            for place in start..start + STRIDE - 1 {
                let votes = self.votes_at(place);
                if votes >= self.wanted[place] && self.wanted[place] != NEVER {
                    let voters = u32::from(self.in_overlap[place].max(1));
                    let evidence_q4 = u32::from(votes) * u32::from(votes) * 16 / voters;
                    let guess = Guess {
                        shift: shift_of(place),
                        evidence_q4: evidence_q4.min(u32::from(u16::MAX)) as u16,
                    };
                    insert(&mut best, guess);
                }
            }
        }
        best
    }

    fn vote(&mut self, field: ReducedView<'_>) {
        self.table.fill(0);
        let table = self.table.as_mut_slice();
        for direction in 0..DIRECTIONS {
            let stored = field.points_of(direction);
            let voters = self.starts[direction]..self.starts[direction + 1];
            for voter in &self.voters[voters] {
                let from = usize::from(*voter) + MIDDLE;
                for point in stored {
                    let votes = &mut table[(from - usize::from(*point)) % TABLE];
                    // More than that is enough anyway.
                    *votes = votes.saturating_add(1);
                }
            }
        }
    }

    /// Votes for a place and its neighbours right and down: true shifts lie between places.
    fn votes_at(&self, place: usize) -> u8 {
        [1, STRIDE, STRIDE + 1]
            .iter()
            .fold(self.table[place], |sum, next| {
                sum.saturating_add(self.table[place + next])
            })
    }

    /// Whether anything in a row of the table is worth a look.
    fn has_hit(&self, start: usize) -> bool {
        let here = &self.table[start..][..STRIDE - 1];
        let right = &self.table[start + 1..][..STRIDE - 1];
        let below = &self.table[start + STRIDE..][..STRIDE - 1];
        let beside = &self.table[start + STRIDE + 1..][..STRIDE - 1];
        let wanted = &self.wanted[start..][..STRIDE - 1];
        let mut hits = 0;
        for at in 0..STRIDE - 1 {
            let votes = here[at]
                .saturating_add(right[at])
                .saturating_add(below[at])
                .saturating_add(beside[at]);
            hits |= u8::from(votes >= wanted[at]);
        }
        hits != 0
    }
}

/// The place in the table of a shift in places of the grid.
fn place_of([right, down]: [i32; 2]) -> usize {
    (MIDDLE as i32 + down * STRIDE as i32 + right) as usize
}

/// The shift in blocks in the middle of four places of the table.
fn shift_of(place: usize) -> [i32; 2] {
    let half = (MAX_COLUMNS / POINT_BLOCKS) as i32;
    let row = (place / STRIDE) as i32 - (MAX_ROWS / POINT_BLOCKS) as i32;
    let column = (place % STRIDE) as i32 - half;
    [column, row].map(|shift| shift * POINT_BLOCKS as i32 + 1)
}

/// Keeps the best guesses, one of those that lie beside each other.
fn insert<const COUNT: usize>(best: &mut [Option<Guess>; COUNT], guess: Guess) {
    let is_beside = |other: &Guess| {
        let apart = [0, 1].map(|axis| (other.shift[axis] - guess.shift[axis]).unsigned_abs());
        apart.iter().all(|apart| *apart <= 2 * POINT_BLOCKS as u32)
    };
    let beside = best
        .iter()
        .position(|known| known.as_ref().is_some_and(is_beside));
    let place = beside.unwrap_or(COUNT - 1);
    if best[place].is_some_and(|known| known.evidence_q4 >= guess.evidence_q4) {
        return;
    }
    best[place] = Some(guess);
    let mut at = place;
    while at > 0 && best[at - 1].is_none_or(|before| before.evidence_q4 < guess.evidence_q4) {
        best.swap(at - 1, at);
        at -= 1;
    }
}
