//! A frame as small as registration needs it: a grey image, and the edges in it.

use crate::image::frame::Frame;

/// The most blocks across a frame.
pub(super) const MAX_COLUMNS: usize = 160;
/// The most blocks down a frame.
pub(super) const MAX_ROWS: usize = 120;
/// The most blocks of a frame.
pub(super) const MAX_BLOCKS: usize = MAX_COLUMNS * MAX_ROWS;
/// Pixels looked at along each side of a block, at most, so that a large frame costs no more.
const MAX_SAMPLES: usize = 8;
/// Directions that the edges of cells are sorted by.
pub(super) const DIRECTIONS: usize = 16;
/// Edge points lie on a grid of this many blocks, at most one in each place.
pub(super) const POINT_BLOCKS: usize = 2;
/// The widest grid of edge points, with as many places again for shifts to the left.
pub(super) const STRIDE: usize = MAX_COLUMNS;
/// The most edge points of a frame; where there are more, the faintest are left out. With half as
/// many, fields of a hundred cells keep too few of the same ones, and large overlaps are missed.
pub(super) const MAX_POINTS: usize = 2048;
/// An edge is steeper than the frame's mean slope by this factor, in quarters.
const STEEPER_QUARTERS: u32 = 6;
/// The least slope of an edge, in quarters of a level over two blocks: noise makes less.
const MIN_SLOPE_Q2: u32 = 16;
/// Tangents of 11.25, 33.75, 56.25 and 78.75 degrees, in thousandths: where directions part.
const PARTING_TANGENTS: [u32; 4] = [199, 668, 1497, 5027];

/// A place on an edge: its offset in a grid of [`STRIDE`] places a row.
pub(super) type EdgePoint = u16;

/// A frame, reduced. Its memory is taken when it is made.
///
/// Light that passes cells is compared in green, which they darken most.
#[derive(Debug, Clone)]
pub struct FrameReduced {
    shape: Shape,
    /// Smoothed block means.
    levels: Vec<u8>,
    /// Sorted by direction.
    points: Vec<EdgePoint>,
    /// Where the points of each direction start, and where the last ones end.
    starts: [u16; DIRECTIONS + 1],
    /// Variance of the levels.
    variance: u32,
    working: Working,
}

/// Size of a frame and of its blocks; only frames of one shape can be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub frame_px: (u32, u32),
    /// Side of a block.
    pub step_px: u32,
    pub columns: usize,
    pub rows: usize,
}

#[derive(Debug, Clone)]
struct Working {
    means: Vec<u8>,
    /// Sum of the amounts of both slopes, and the direction, where an edge passes.
    slopes: Vec<u16>,
    directions: Vec<u8>,
    found: Vec<(u8, EdgePoint)>,
}

impl Default for FrameReduced {
    fn default() -> Self {
        Self {
            shape: Shape::default(),
            levels: Vec::with_capacity(MAX_BLOCKS),
            points: Vec::with_capacity(MAX_POINTS),
            starts: [0; DIRECTIONS + 1],
            variance: 0,
            working: Working {
                means: Vec::with_capacity(MAX_BLOCKS),
                slopes: Vec::with_capacity(MAX_BLOCKS),
                directions: Vec::with_capacity(MAX_BLOCKS),
                found: Vec::with_capacity(MAX_POINTS),
            },
        }
    }
}

impl Shape {
    fn of(frame: &Frame) -> Self {
        let (width, height) = (frame.width_px() as usize, frame.height_px() as usize);
        let step = width
            .div_ceil(MAX_COLUMNS)
            .max(height.div_ceil(MAX_ROWS))
            .max(1);
        Self {
            frame_px: (frame.width_px(), frame.height_px()),
            step_px: step as u32,
            columns: width / step,
            rows: height / step,
        }
    }
}

impl FrameReduced {
    /// Takes a frame in, in place of the one before.
    pub fn reduce(&mut self, frame: &Frame) {
        self.shape = Shape::of(frame);
        self.take_means(frame);
        self.smooth();
        self.measure_variance();
        self.find_slopes();
        self.find_points();
    }

    pub(super) fn view(&self) -> ReducedView<'_> {
        ReducedView {
            shape: self.shape,
            levels: &self.levels,
            points: &self.points,
            starts: &self.starts,
            variance: self.variance,
        }
    }

    fn take_means(&mut self, frame: &Frame) {
        let Shape {
            step_px,
            columns,
            rows,
            ..
        } = self.shape;
        let step = step_px as usize;
        let stride = step.div_ceil(MAX_SAMPLES);
        let samples = step.div_ceil(stride);
        let count = (samples * samples) as u32;
        let means = &mut self.working.means;
        means.clear();
        for row in 0..rows {
            let mut sums = [0u32; MAX_COLUMNS];
            for y in (row * step..(row + 1) * step).step_by(stride) {
                let (pixels, _) = frame.row(y as u32).as_chunks::<3>();
                for (sum, block) in sums[..columns].iter_mut().zip(pixels.chunks_exact(step)) {
                    let greens = block
                        .iter()
                        .step_by(stride)
                        .map(|pixel| u32::from(pixel[1]));
                    *sum += greens.sum::<u32>();
                }
            }
            means.extend(
                sums[..columns]
                    .iter()
                    .map(|sum| ((sum + count / 2) / count) as u8),
            );
        }
    }

    /// Weights 1, 2, 1 both ways, so that half a block of shift does little.
    fn smooth(&mut self) {
        let Shape { columns, rows, .. } = self.shape;
        let means = &self.working.means;
        self.levels.clear();
        for row in 0..rows {
            let lines = [row.saturating_sub(1), row, (row + 1).min(rows - 1)]
                .map(|line| &means[line * columns..][..columns]);
            let down = |column: usize| {
                let [above, here, below] = lines.map(|line| u32::from(line[column]));
                above + 2 * here + below
            };
            let smoothed = (0..columns).map(|column| {
                let sum = down(column.saturating_sub(1))
                    + 2 * down(column)
                    + down((column + 1).min(columns - 1));
                ((sum + 8) / 16) as u8
            });
            self.levels.extend(smoothed);
        }
    }

    fn measure_variance(&mut self) {
        let count = self.levels.len().max(1) as u64;
        let sum: u64 = self.levels.iter().map(|level| u64::from(*level)).sum();
        let squares: u64 = self
            .levels
            .iter()
            .map(|level| u64::from(*level).pow(2))
            .sum();
        self.variance = ((count * squares - sum * sum) / (count * count)) as u32;
    }

    /// The slope at each block, zero on the border.
    fn find_slopes(&mut self) {
        let Shape { columns, rows, .. } = self.shape;
        let Working {
            slopes, directions, ..
        } = &mut self.working;
        slopes.clear();
        slopes.resize(columns * rows, 0);
        directions.clear();
        directions.resize(columns * rows, 0);
        for row in 1..rows.saturating_sub(1) {
            for column in 1..columns.saturating_sub(1) {
                let at = row * columns + column;
                let level = |place: usize| i32::from(self.levels[place]);
                let right = level(at + 1) - level(at - 1);
                let down = level(at + columns) - level(at - columns);
                // At most twice 255, in quarters.
                slopes[at] = (4 * (right.unsigned_abs() + down.unsigned_abs())) as u16;
                directions[at] = direction(right, down);
            }
        }
    }

    /// Edges: where the slope is largest along its own direction.
    fn find_points(&mut self) {
        let total: u64 = self
            .working
            .slopes
            .iter()
            .map(|slope| u64::from(*slope))
            .sum();
        let mean = (total / self.working.slopes.len().max(1) as u64) as u32;
        let mut least_q2 = (mean * STEEPER_QUARTERS / 4).max(MIN_SLOPE_Q2);
        self.collect_points(least_q2);
        while self.points.len() >= MAX_POINTS {
            least_q2 += least_q2 / 4;
            self.collect_points(least_q2);
        }
    }

    /// Collects edges of this slope and more, up to the most that there may be; the steepest of a
    /// place of the grid speaks for it.
    fn collect_points(&mut self, least_q2: u32) {
        let Shape { columns, rows, .. } = self.shape;
        let mut found = std::mem::take(&mut self.working.found);
        found.clear();
        for grid_row in 0..rows / POINT_BLOCKS {
            for grid_column in 0..columns / POINT_BLOCKS {
                let corner = (grid_row * columns + grid_column) * POINT_BLOCKS;
                let places = [corner, corner + 1, corner + columns, corner + columns + 1];
                let steepest = places
                    .into_iter()
                    .filter(|at| self.is_edge(*at, least_q2))
                    .max_by_key(|at| self.working.slopes[*at]);
                if let Some(at) = steepest
                    && found.len() < MAX_POINTS
                {
                    let point = (grid_row * STRIDE + grid_column) as EdgePoint;
                    found.push((self.working.directions[at], point));
                }
            }
        }
        self.sort_points(&found);
        self.working.found = found;
    }

    /// By direction, each in the order of the rows.
    fn sort_points(&mut self, found: &[(u8, EdgePoint)]) {
        self.points.clear();
        for direction in 0..DIRECTIONS {
            // At most 2,048.
            self.starts[direction] = self.points.len() as u16;
            let of_direction = found
                .iter()
                .filter(|(found, _)| usize::from(*found) == direction);
            self.points.extend(of_direction.map(|(_, point)| *point));
        }
        self.starts[DIRECTIONS] = self.points.len() as u16;
    }

    fn is_edge(&self, at: usize, least_q2: u32) -> bool {
        let Working {
            slopes, directions, ..
        } = &self.working;
        let slope = slopes[at];
        if u32::from(slope) < least_q2 {
            return false;
        }
        // A slope is zero on the border, so its neighbours are in the frame.
        let columns = self.shape.columns;
        let apart = match directions[at] % 8 {
            7 | 0 => 1,
            1 | 2 => columns + 1,
            3 | 4 => columns,
            _ => columns - 1,
        };
        slope >= slopes[at - apart] && slope > slopes[at + apart]
    }
}

/// What registration sees of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReducedView<'a> {
    pub shape: Shape,
    pub levels: &'a [u8],
    pub points: &'a [EdgePoint],
    pub starts: &'a [u16; DIRECTIONS + 1],
    pub variance: u32,
}

impl<'a> ReducedView<'a> {
    pub fn points_of(&self, direction: usize) -> &'a [EdgePoint] {
        let [start, end] = [0, 1].map(|next| usize::from(self.starts[direction + next]));
        &self.points[start..end]
    }
}

/// The direction of a slope, in sixteenths of a circle.
fn direction(right: i32, down: i32) -> u8 {
    let (across, along) = (right.unsigned_abs(), down.unsigned_abs());
    let is_beyond = |tangent: &&u32| along * 1000 >= across * **tangent;
    let sector = PARTING_TANGENTS.iter().take_while(is_beyond).count() as u8;
    match (right >= 0, down >= 0) {
        (true, true) => sector,
        (false, true) => 8 - sector,
        (false, false) => 8 + sector,
        (true, false) => (16 - sector) % 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_go_round_the_circle() {
        for sixteenth in 0..16u8 {
            let angle = f64::from(sixteenth) * std::f64::consts::TAU / 16.0;
            let slope = |part: f64| libm::round(part * 100.0) as i32;
            let found = direction(slope(libm::cos(angle)), slope(libm::sin(angle)));
            assert_eq!(found, sixteenth);
        }
    }

    #[test]
    fn frames_of_any_size_are_reduced_to_fit() {
        let mut reduced = FrameReduced::default();
        let cases = [
            ((640, 480), (4, 160, 120)),
            ((1920, 1080), (12, 160, 90)),
            ((2592, 1944), (17, 152, 114)),
            ((416, 416), (4, 104, 104)),
            ((8192, 2), (52, 157, 0)),
            ((1, 1), (1, 1, 1)),
            ((3, 200), (2, 1, 100)),
        ];
        for ((width_px, height_px), (step_px, columns, rows)) in cases {
            let frame = Frame::filled(width_px, height_px, [200, 100, 50]).unwrap();
            reduced.reduce(&frame);
            let shape = reduced.view().shape;
            assert_eq!(
                (shape.step_px, shape.columns, shape.rows),
                (step_px, columns, rows),
                "{width_px}x{height_px}"
            );
            assert!(reduced.levels.iter().all(|level| *level == 100));
            assert!(reduced.points.is_empty() && reduced.variance == 0);
        }
    }

    #[test]
    fn the_edge_of_a_dark_disc_points_outwards_all_around() {
        let mut frame = Frame::filled(320, 240, [230; 3]).unwrap();
        for (place, pixel) in frame.rgb_mut().chunks_exact_mut(3).enumerate() {
            let (x, y) = ((place % 320) as i32 - 160, (place / 320) as i32 - 120);
            if x * x + y * y < 60 * 60 {
                pixel.fill(120);
            }
        }
        let mut reduced = FrameReduced::default();
        reduced.reduce(&frame);
        let view = reduced.view();
        assert!(view.points.len() > 60, "{}", view.points.len());
        for wanted in 0..DIRECTIONS {
            for point in view.points_of(wanted) {
                let x = (i32::from(*point) % STRIDE as i32) * 4 + 2 - 160;
                let y = (i32::from(*point) / STRIDE as i32) * 4 + 2 - 120;
                let outwards = i32::from(direction(x, y));
                let off = (outwards - wanted as i32).rem_euclid(16);
                assert!(off <= 1 || off >= 15, "{x},{y} points to {wanted}");
            }
        }
    }
}
