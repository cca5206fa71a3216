//! Whether a frame was exposed twice: a slide that is pushed while a frame is exposed lies in two
//! places of it, and every edge stands twice.
//!
//! Cells lie at random, so the slopes of a smear are unlike themselves under any shift that is
//! wider than an edge. Where two exposures are mixed, each slope meets its echo at one and the same
//! shift, and their normalised correlation there is about one half for equal shares `p (1 - p) /
//! (p² + (1 - p)²)`. All shifts are tried on a coarse grid, the best of them on a fine one.

/// Points of the fine grid to a red cell, about.
const POINTS_TO_A_CELL: usize = 16;
/// Fewer than these tell no cell from its neighbour.
const FEWEST_POINTS_TO_A_CELL: usize = 10;
/// The most points of the fine grid, in the middle of the frame.
const MOST_COLUMNS: usize = 192;
const MOST_ROWS: usize = 160;
/// Shifts below this share of a red cell lie within one edge, in percent: the focus tells of them.
const NEAREST_PERCENT: usize = 35;
/// Shifts beyond this are not looked at, in percent of a red cell.
const FARTHEST_PERCENT: usize = 250;
/// Nor beyond one part in so many of the shorter side: what is left in common agrees by chance.
const SIDE_PARTS: usize = 3;
/// The steepest slopes, those of nuclei, count as no more than the one that so many in a thousand
/// reach: a few of them would outweigh all red cells.
const STEEPEST_PERMILLE: usize = 100;
/// The best shifts of the coarse grid are tried on the fine one.
const CANDIDATES: usize = 4;
/// Unless they have less than this there, in thousandths.
const LEAST_COARSE_PERMILLE: i64 = 240;
/// Points of a grid around a shift, on each side, in which there is but one candidate, and which
/// are tried on the fine grid.
const AROUND: isize = 1;
/// Slopes that are multiplied together; rows end with so many that are 0.
const TOGETHER: usize = 16;
/// The correlation from which a frame was exposed twice, in thousandths: docs/quality.md has those
/// of photographs as they are and mixed with themselves.
const LEAST_ECHO_PERMILLE: i64 = 320;
/// The most that two exposures can reach, and chance on top: what repeats better is a pattern.
const MOST_ECHO_PERMILLE: i64 = 760;

/// A shift in points of a grid: right and down.
type Shift = [isize; 2];

/// Looks for echoes. Its memory is taken when it is made.
#[derive(Debug)]
pub(super) struct EchoFinder {
    fine: SlopeGrid,
    coarse: SlopeGrid,
}

impl Default for EchoFinder {
    fn default() -> Self {
        Self {
            fine: SlopeGrid::with_room(MOST_COLUMNS, MOST_ROWS),
            coarse: SlopeGrid::with_room(MOST_COLUMNS / 2, MOST_ROWS / 2),
        }
    }
}

impl EchoFinder {
    /// Whether every edge of a plane with red cells of this diameter in pixels stands twice.
    pub(super) fn is_exposed_twice(
        &mut self,
        plane: &[u8],
        width: usize,
        rbc_diameter: usize,
    ) -> bool {
        let block = ((rbc_diameter + POINTS_TO_A_CELL / 2) / POINTS_TO_A_CELL).max(1);
        let points_to_a_cell = rbc_diameter / block;
        if points_to_a_cell < FEWEST_POINTS_TO_A_CELL {
            return false;
        }
        self.fine.reduce(plane, width, block);
        self.coarse.reduce(&self.fine.levels, self.fine.columns, 2);
        self.fine.measure();
        self.coarse.measure();
        let candidates = self.coarse.best_shifts(points_to_a_cell / 2);
        let echo = candidates
            .into_iter()
            .flatten()
            .filter(|&(permille, _)| permille >= LEAST_COARSE_PERMILLE)
            .map(|(_, shift)| {
                self.fine
                    .best_near(shift.map(|by| 2 * by), points_to_a_cell)
            })
            .max();
        echo.is_some_and(|permille| (LEAST_ECHO_PERMILLE..MOST_ECHO_PERMILLE).contains(&permille))
    }
}

/// A reduced plane and its slopes.
#[derive(Debug)]
struct SlopeGrid {
    most: [usize; 2],
    columns: usize,
    rows: usize,
    levels: Vec<u8>,
    /// Across and down in turns, of all but the outermost points; each row ends with zeros.
    slopes: Vec<i16>,
    /// Squared slopes above and left of each place.
    energy: Vec<u64>,
}

impl SlopeGrid {
    fn with_room(columns: usize, rows: usize) -> Self {
        let points = columns * rows;
        Self {
            most: [columns, rows],
            columns: 0,
            rows: 0,
            levels: Vec::with_capacity(points),
            slopes: Vec::with_capacity(2 * points + TOGETHER * rows),
            energy: Vec::with_capacity((columns + 1) * (rows + 1)),
        }
    }

    /// Takes means of squares of `block` pixels, of the middle of the plane where it is too large.
    fn reduce(&mut self, plane: &[u8], width: usize, block: usize) {
        let height = plane.len() / width.max(1);
        self.columns = (width / block).min(self.most[0]);
        self.rows = (height / block).min(self.most[1]);
        let left = (width - self.columns * block) / 2;
        let top = (height - self.rows * block) / 2;
        let pixels = (block * block) as u32;
        self.levels.clear();
        for row in 0..self.rows {
            for column in 0..self.columns {
                let start = (top + row * block) * width + left + column * block;
                let lines = (0..block).map(|line| &plane[start + line * width..][..block]);
                let sum: u32 = lines.flatten().map(|&level| u32::from(level)).sum();
                self.levels.push(((sum + pixels / 2) / pixels) as u8);
            }
        }
    }

    /// Columns and rows of slopes.
    fn size(&self) -> [usize; 2] {
        [self.columns.saturating_sub(2), self.rows.saturating_sub(2)]
    }

    /// Slopes of a row, its zeros included.
    fn stride(&self) -> usize {
        2 * self.size()[0] + TOGETHER
    }

    fn measure(&mut self) {
        let [columns, rows] = self.size();
        self.slopes.clear();
        for row in 1..=rows {
            let line = |row: usize| &self.levels[row * self.columns..][..self.columns];
            let (above, here, below) = (line(row - 1), line(row), line(row + 1));
            for column in 1..=columns {
                let between = |low: u8, high: u8| i16::from(high) - i16::from(low);
                self.slopes.extend([
                    between(here[column - 1], here[column + 1]),
                    between(above[column], below[column]),
                ]);
            }
            self.slopes.extend([0; TOGETHER]);
        }
        self.limit_slopes();
        self.sum_energy();
    }

    fn limit_slopes(&mut self) {
        const LARGEST: usize = 2 * 255;
        let [columns, rows] = self.size();
        let stride = self.stride();
        let steepness =
            |slope: &[i16]| usize::from(slope[0].unsigned_abs() + slope[1].unsigned_abs());
        let mut counts = [0_usize; LARGEST + 1];
        for row in self.slopes.chunks_exact(stride) {
            for slope in row[..2 * columns].chunks_exact(2) {
                counts[steepness(slope)] += 1;
            }
        }
        let wanted = columns * rows * STEEPEST_PERMILLE / 1000;
        let mut seen = 0;
        let limit = counts.iter().rposition(|&count| {
            seen += count;
            seen > wanted
        });
        let limit = limit.unwrap_or(0).max(1);
        for slope in self.slopes.chunks_exact_mut(2) {
            let steepness = steepness(slope);
            if steepness > limit {
                let limited = |part: i16| i32::from(part) * limit as i32 / steepness as i32;
                slope
                    .iter_mut()
                    .for_each(|part| *part = limited(*part) as i16);
            }
        }
    }

    fn sum_energy(&mut self) {
        let columns = self.size()[0];
        let (stride, above) = (self.stride(), columns + 1);
        self.energy.clear();
        self.energy.resize(above, 0);
        let squared = |part: &i16| i32::from(*part).pow(2) as u64;
        for row in self.slopes.chunks_exact(stride) {
            let mut along = 0;
            self.energy.push(0);
            for slope in row[..2 * columns].chunks_exact(2) {
                along += slope.iter().map(squared).sum::<u64>();
                let before = self.energy[self.energy.len() - above];
                self.energy.push(along + before);
            }
        }
    }

    /// The squared slopes of a rectangle.
    fn energy_of(&self, [left, top]: [usize; 2], [columns, rows]: [usize; 2]) -> u64 {
        let stride = self.size()[0] + 1;
        let at = |column: usize, row: usize| self.energy[row * stride + column];
        let (right, bottom) = (left + columns, top + rows);
        at(right, bottom) + at(left, top) - at(left, bottom) - at(right, top)
    }

    /// How like the slopes are to those that lie by `shift` from them, in thousandths; 0 where
    /// nothing is in common or no slope is there.
    fn echo_permille(&self, [right, down]: Shift) -> i64 {
        let [columns, rows] = self.size();
        let Some(common_columns) = columns.checked_sub(right.unsigned_abs()) else {
            return 0;
        };
        let Some(common_rows) = rows.checked_sub(down.unsigned_abs()) else {
            return 0;
        };
        let start = |by: isize| [by.min(0).unsigned_abs(), by.max(0).unsigned_abs()];
        let ([left, left_shifted], [top, top_shifted]) = (start(right), start(down));
        // Whichever starts further right runs into the zeros of its row.
        let length = (2 * common_columns).next_multiple_of(TOGETHER);
        let stride = self.stride();
        let sum: i64 = (0..common_rows)
            .map(|row| {
                let here = (top + row) * stride + 2 * left;
                let there = (top_shifted + row) * stride + 2 * left_shifted;
                i64::from(dot(
                    [here, there].map(|start| &self.slopes[start..][..length])
                ))
            })
            .sum();
        let common = [common_columns, common_rows];
        let energies = [
            self.energy_of([left, top], common),
            self.energy_of([left_shifted, top_shifted], common),
        ];
        let [here, there] = energies.map(|energy| energy.isqrt() as i64);
        sum * 1000 / (here * there).max(1)
    }

    /// The best shifts, each a few points from all others, with what is alike there.
    fn best_shifts(&self, points_to_a_cell: usize) -> [Option<(i64, Shift)>; CANDIDATES] {
        let [columns, rows] = self.size();
        let nearest = nearest(points_to_a_cell);
        let farthest =
            (points_to_a_cell * FARTHEST_PERCENT / 100).min(columns.min(rows) / SIDE_PARTS);
        let reach = farthest as isize;
        let mut best = [None; CANDIDATES];
        for down in 0..=reach {
            for right in -reach..=reach {
                let distance_squared = distance_squared([right, down]);
                let is_looked_at = distance_squared >= nearest * nearest
                    && distance_squared <= farthest * farthest
                    && (down > 0 || right > 0);
                if is_looked_at {
                    let shift = [right, down];
                    keep(&mut best, (self.echo_permille(shift), shift));
                }
            }
        }
        best
    }

    /// The most alike at the shifts around one that lie outside an edge.
    fn best_near(&self, [right, down]: Shift, points_to_a_cell: usize) -> i64 {
        let nearest = nearest(points_to_a_cell);
        let around = || -AROUND..=AROUND;
        let shifts = around().flat_map(|y| around().map(move |x| [right + x, down + y]));
        shifts
            .filter(|&shift| distance_squared(shift) >= nearest * nearest)
            .map(|shift| self.echo_permille(shift))
            .max()
            .unwrap_or(0)
    }
}

fn nearest(points_to_a_cell: usize) -> usize {
    (points_to_a_cell * NEAREST_PERCENT).div_ceil(100)
}

fn distance_squared([right, down]: Shift) -> usize {
    (right * right + down * down) as usize
}

/// Of rows of a multiple of [`TOGETHER`] slopes, which is where compilers find vector instructions.
fn dot([a, b]: [&[i16]; 2]) -> i32 {
    let products = a.iter().zip(b);
    products.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// Keeps a shift among the best, the best first; of neighbours the better one.
fn keep(best: &mut [Option<(i64, Shift)>; CANDIDATES], new: (i64, Shift)) {
    let is_near = |other: Shift| {
        let apart = [0, 1].map(|axis| (other[axis] - new.1[axis]).abs());
        apart.into_iter().all(|by| by <= AROUND)
    };
    let near = best
        .iter()
        .position(|kept| kept.is_some_and(|(_, shift)| is_near(shift)));
    let place = near.unwrap_or(CANDIDATES - 1);
    if best[place].is_none_or(|(alike, _)| new.0 > alike) {
        best[place] = Some(new);
        best.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.map(|(alike, _)| alike)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const SIZE: [usize; 2] = [300, 240];
    const CELL_PX: i64 = 32;

    /// Round cells at random places on bright glass.
    fn smear(seed: u64) -> Vec<u8> {
        let mut random = Random::new(seed);
        let mut plane = vec![215_u8; SIZE[0] * SIZE[1]];
        for _ in 0..45 {
            let [x, y] = SIZE.map(|side| (random.bits() >> 33) as i64 % side as i64);
            for (at, level) in (0..).zip(&mut plane) {
                let (dx, dy) = (at % SIZE[0] as i64 - x, at / SIZE[0] as i64 - y);
                if dx * dx + dy * dy < CELL_PX * CELL_PX / 4 {
                    *level = 140;
                }
            }
        }
        plane
    }

    /// A share of the light after the slide was moved, in percent.
    fn exposed_twice(plane: &[u8], [right, down]: [usize; 2], second_percent: u32) -> Vec<u8> {
        (0..plane.len())
            .map(|at| {
                let x = (at % SIZE[0] + right).min(SIZE[0] - 1);
                let y = (at / SIZE[0] + down).min(SIZE[1] - 1);
                let (first, second) = (u32::from(plane[at]), u32::from(plane[y * SIZE[0] + x]));
                ((first * (100 - second_percent) + second * second_percent) / 100) as u8
            })
            .collect()
    }

    fn is_told(plane: &[u8]) -> bool {
        EchoFinder::default().is_exposed_twice(plane, SIZE[0], CELL_PX as usize)
    }

    #[test]
    fn a_field_that_was_exposed_twice_is_told_from_one_that_was_not() {
        for seed in 0..6 {
            let plane = smear(seed);
            assert!(!is_told(&plane), "{seed}");
            for shift in [[16, 0], [0, 19], [24, 12], [45, 0], [30, 55]] {
                for second_percent in [50, 38] {
                    let plane = exposed_twice(&plane, shift, second_percent);
                    assert!(is_told(&plane), "{seed} {shift:?} {second_percent}");
                }
            }
        }
    }

    #[test]
    fn neither_another_field_nor_a_pattern_nor_bare_glass_is_an_echo() {
        let (first, second) = (smear(11), smear(12));
        let two_fields: Vec<u8> = first
            .iter()
            .zip(&second)
            .map(|(&a, &b)| a / 2 + b / 2)
            .collect();
        let chequered = (0..SIZE[0] * SIZE[1])
            .map(|at| 100 + 80 * ((at % SIZE[0] / 30 + at / SIZE[0] / 30) % 2) as u8)
            .collect();
        for plane in [two_fields, chequered, vec![200; SIZE[0] * SIZE[1]]] {
            assert!(!is_told(&plane));
        }
    }

    #[test]
    fn every_size_is_looked_at_without_panic() {
        for (width, height) in [(1, 1), (2, 90), (90, 2), (3, 3), (900, 700)] {
            let plane: Vec<u8> = (0..width * height).map(|at| (at * 7) as u8).collect();
            for rbc_diameter in [0, 1, 10, 16, 31, 63, 500] {
                EchoFinder::default().is_exposed_twice(&plane, width, rbc_diameter);
            }
        }
    }
}
