//! A reduced copy of a frame, and everything that is measured on it.
//!
//! The loops run over whole rows or planes in narrow integers, where compilers find vector
//! instructions; orders of values are found by counting, not by sorting.

use super::blur::{BoxBlur, TriangleBlur};
use super::echo::EchoFinder;
use super::focus::{EdgeSums, LEVEL, Reference, Zones, diameter_from_texture};
use super::measures::{ClassMeans, Edges, Stains};
use super::parts::{Area, Layers, PartScores};
use crate::image::frame::Frame;
use crate::image::histogram::Histogram;

/// The most pixels of a copy, which takes some 15 MB in all then. Larger frames are reduced further
/// than their cells ask for.
const MAX_PIXELS: u64 = 1 << 20;

const CHANNELS: usize = 3;
/// Values that can be counted in a byte.
const COUNTED_BYTES: usize = 240;
/// Bytes that can be summed in 16 bits.
const SUMMED_BYTES: usize = 256;
/// Slopes that are passed over where the largest of them is too small.
const SLOPES_TOGETHER: usize = 128;

/// How far a frame is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reduction {
    /// Pixels of the frame along each side of a pixel of the copy.
    pub(super) factor: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Diameter of a red cell in the copy, in pixels, known or assumed.
    pub(super) rbc_diameter: usize,
}

impl Reduction {
    /// As far as the cells of the frame allow; see [`super::FrameAssessor::assess`] for
    /// `rbc_diameter_px`.
    pub(super) fn of(frame: &Frame, rbc_diameter_px: Option<u32>) -> Self {
        /// Enough to see the edge of a red cell.
        const RBC_DIAMETER: u32 = 28;
        const LONGEST_SIDE: u32 = 400;
        /// The fewest red cells that fit along the shorter side of a usable frame.
        const FEWEST_CELLS: u32 = 4;
        let shorter = frame.width_px().min(frame.height_px());
        let longer = frame.width_px().max(frame.height_px());
        let known_px = rbc_diameter_px.map(|diameter_px| diameter_px.min(shorter));
        let factor = match known_px {
            Some(diameter_px) => diameter_px / RBC_DIAMETER,
            None => longer.div_ceil(LONGEST_SIDE),
        };
        let factor = within_limit(factor.clamp(1, shorter), frame);
        let diameter_px = known_px.unwrap_or(shorter / FEWEST_CELLS);
        Self {
            factor: factor as usize,
            width: (frame.width_px() / factor) as usize,
            height: (frame.height_px() / factor) as usize,
            rbc_diameter: (diameter_px / factor).max(1) as usize,
        }
    }
}

/// The copy; its buffers are kept for the next frame.
#[derive(Debug, Default)]
pub(super) struct ReducedView {
    width: usize,
    height: usize,
    /// Diameter of a red cell in this copy, in pixels, known or assumed.
    rbc_diameter: usize,
    is_diameter_known: bool,
    planes: [Vec<u8>; CHANNELS],
    /// Sums of the rows of one row of blocks, and the means of blocks that start at any column.
    row_sums: Vec<u16>,
    means: Vec<u8>,
    blur: BoxBlur,
    reference: TriangleBlur,
    slopes: Vec<u16>,
    /// The largest of every few slopes.
    largest_slopes: Vec<u16>,
    /// 1 where a pixel is dark.
    dark: Vec<u8>,
    echo: EchoFinder,
}

impl ReducedView {
    /// Reduces a frame; see [`super::FrameAssessor::assess`] for `rbc_diameter_px`.
    pub(super) fn take(&mut self, frame: &Frame, rbc_diameter_px: Option<u32>) {
        let reduction = Reduction::of(frame, rbc_diameter_px);
        self.width = reduction.width;
        self.height = reduction.height;
        self.rbc_diameter = reduction.rbc_diameter;
        self.is_diameter_known = rbc_diameter_px.is_some();
        self.fill(frame, reduction.factor);
    }

    /// Means of squares of `factor` pixels; what is left over at the right and the bottom is
    /// dropped.
    fn fill(&mut self, frame: &Frame, factor: usize) {
        let count = self.width * self.height;
        for plane in &mut self.planes {
            plane.resize(count, 0);
        }
        let row_bytes = frame.width_px() as usize * CHANNELS;
        self.row_sums.resize(row_bytes, 0);
        self.means.resize(row_bytes, 0);
        let [red, green, blue] = &mut self.planes;
        let [red, green, blue] = [red, green, blue].map(|plane| plane.chunks_exact_mut(self.width));
        let block_rows = frame.rgb().chunks_exact(row_bytes * factor);
        for (rows, ((red, green), blue)) in block_rows.zip(red.zip(green).zip(blue)) {
            let out = [red, green, blue];
            let (sums, means) = (&mut self.row_sums[..], &mut self.means[..]);
            match factor {
                1 => part::<CHANNELS>(rows, out),
                2 => mean_of_blocks::<2, 6>(rows, sums, means, out),
                3 => mean_of_blocks::<3, 9>(rows, sums, means, out),
                4 => mean_of_blocks::<4, 12>(rows, sums, means, out),
                _ => mean_of_large_blocks(rows, factor, sums, out),
            }
        }
    }

    pub(super) fn clipped_permille(&self) -> u16 {
        const CLIPPED: u8 = 254;
        let [red, green, blue] = &self.planes;
        let chunks = red.chunks(COUNTED_BYTES).zip(blue.chunks(COUNTED_BYTES));
        let clipped: usize = green
            .chunks(COUNTED_BYTES)
            .zip(chunks)
            .map(|(green, (red, blue))| {
                let pixels = green.iter().zip(red.iter().zip(blue));
                let is_clipped = |(&green, (&red, &blue)): (&u8, (&u8, &u8))| {
                    u8::from(green.min(red).min(blue) >= CLIPPED)
                };
                usize::from(pixels.map(is_clipped).sum::<u8>())
            })
            .sum();
        (clipped * 1000 / (self.width * self.height)) as u16
    }

    pub(super) fn green_histogram(&self) -> Histogram {
        Histogram::of_values(&self.planes[1])
    }

    /// What [`Histogram::percentile`] would give for red and for blue.
    pub(super) fn red_and_blue_percentiles(&self, permille: u32) -> [u8; 2] {
        let [red, _, blue] = &self.planes;
        [red, blue].map(|plane| {
            let wanted = (plane.len() * permille as usize).div_ceil(1000).max(1);
            let value = bisect(u16::from(u8::MAX), |value| {
                count_below(plane, value as u8) < wanted
            });
            value as u8
        })
    }

    /// Steepest slopes after a blur of an eighth of a red cell, and how blurred the cells' edges
    /// are. Where the diameter of a red cell is unknown, their dark parts' texture tells it.
    pub(super) fn edges(&mut self, texture_permille: usize) -> Edges {
        let radius = slope_radius(self.rbc_diameter);
        let blurred = self.steepest_blurred(radius);
        let diameter = match self.is_diameter_known {
            true => self.rbc_diameter,
            false => diameter_from_texture(texture_permille, self.rbc_diameter),
        };
        let nearby = match slope_radius(diameter) {
            same if same == radius => blurred,
            other => self.steepest_blurred(other),
        };
        Edges {
            blurred,
            blur_width: 2 * radius as u32 + 1,
            diameter,
            sums: self.edge_sums(Zones::below(nearby), diameter),
        }
    }

    fn steepest_blurred(&mut self, radius: usize) -> u32 {
        let (width, height) = (self.width, self.height);
        self.blur.run(&self.planes[1], width, height, radius);
        fill_slopes(&self.blur.both, width, height, &mut self.slopes);
        let groups = || self.slopes.chunks(SLOPES_TOGETHER);
        steepest(groups, self.slopes.len(), &mut self.largest_slopes)
    }

    /// The edges of the whole copy and its noise; leaves the planes that [`Self::part_scores`] reads.
    fn edge_sums(&mut self, zones: Zones, diameter: usize) -> EdgeSums {
        let reference = Reference::for_cells_of(diameter);
        let (width, height) = (self.width, self.height);
        self.reference
            .run(&self.planes[1], width, height, reference);
        let mut sums = EdgeSums::default();
        let layers = Layers {
            width,
            green: &self.planes[1],
            blurred: &self.reference.both,
            slopes: &self.slopes,
        };
        if let Some(area) = Area::within_margin(width, height, reference) {
            layers.add_edges(&mut sums, &area, zones);
            layers.add_flat(&mut sums, &area, zones);
        }
        sums
    }

    /// Whether every edge stands twice.
    pub(super) fn is_exposed_twice(&mut self, edges: &Edges) -> bool {
        self.echo
            .is_exposed_twice(&self.planes[1], self.width, edges.diameter)
    }

    /// How sharp each part of the copy is that has cells, by what [`Self::edges`] has just found.
    /// Pixels whose green is below `first_bright` are covered.
    pub(super) fn part_scores(&mut self, edges: &Edges, first_bright: u8) -> PartScores {
        let layers = Layers {
            width: self.width,
            green: &self.planes[1],
            blurred: &self.reference.both,
            slopes: &self.slopes,
        };
        let mut scores = PartScores::default();
        let reference = edges.reference();
        let Some(area) = Area::within_margin(self.width, self.height, reference)
            .filter(|_| edges.sums.can_be_parted(reference))
        else {
            return scores;
        };
        for part in area.parts(edges.diameter) {
            if layers.is_covered(&part, first_bright) {
                let rows = || layers.slope_rows(&part);
                let groups = || rows().flat_map(|row| row.chunks(SLOPES_TOGETHER));
                let steepest = steepest(groups, part.pixels(), &mut self.largest_slopes);
                let mut sums = edges.sums.without_edges();
                layers.add_edges(&mut sums, &part, Zones::below(steepest));
                scores.add(sums.score(reference, edges.diameter));
            }
        }
        scores
    }

    /// Changes between dark neighbours (at or below `level`) and bright ones, along rows and
    /// across them, in thousandths of the dark pixels. The noise of single pixels is blurred away
    /// first.
    pub(super) fn texture_permille(&mut self, level: u8) -> usize {
        let (width, height) = (self.width, self.height);
        let finest = Reference::finest();
        self.reference.run(&self.planes[1], width, height, finest);
        let limit = (u16::from(level) + 1) * LEVEL;
        self.dark.resize(width * height, 0);
        for (dark, &green) in self.dark.iter_mut().zip(&self.reference.both) {
            *dark = u8::from(green < limit);
        }
        let along: usize = self
            .dark
            .chunks_exact(self.width)
            .map(|row| count_differences(row, &row[1..]))
            .sum();
        let across = count_differences(&self.dark, &self.dark[self.width..]);
        let dark_pixels: usize = self
            .dark
            .chunks(COUNTED_BYTES)
            .map(|values| usize::from(values.iter().sum::<u8>()))
            .sum();
        (along + across) * 1000 / dark_pixels.max(1)
    }

    /// The colours of nuclei and of red cells, where a frame has both.
    pub(super) fn stains(&self, green: &Histogram, dark_level: u8) -> Stains {
        let [deepest, half] = Stains::limits(green, dark_level);
        Stains {
            deepest: self.mean_colour(0, deepest),
            palest: self.mean_colour(half, dark_level),
        }
    }

    /// In thousandths of levels, of the pixels whose green is within these levels.
    fn mean_colour(&self, from: u8, to: u8) -> [u32; CHANNELS] {
        let [red, green, blue] = &self.planes;
        let (mut count, mut sums) = (0_u64, [0_u64; CHANNELS]);
        let chunks = red.chunks(SUMMED_BYTES).zip(blue.chunks(SUMMED_BYTES));
        for (green, (red, blue)) in green.chunks(SUMMED_BYTES).zip(chunks) {
            let (mut chunk_count, mut chunk_sums) = (0_u16, [0_u16; CHANNELS]);
            for (&green, (&red, &blue)) in green.iter().zip(red.iter().zip(blue)) {
                let mask = if green >= from && green <= to {
                    u16::MAX
                } else {
                    0
                };
                chunk_count += mask & 1;
                for (sum, value) in chunk_sums.iter_mut().zip([red, green, blue]) {
                    *sum += u16::from(value) & mask;
                }
            }
            count += u64::from(chunk_count);
            for (sum, chunk_sum) in sums.iter_mut().zip(chunk_sums) {
                *sum += u64::from(chunk_sum);
            }
        }
        sums.map(|sum| (sum * 1000 / count.max(1)) as u32)
    }

    /// The mean colours at or below a level of green, and above it.
    pub(super) fn class_means(&self, level: u8) -> ClassMeans {
        let [red, green, blue] = &self.planes;
        let mut dark_count = 0;
        let mut sums = [[0_u64; CHANNELS]; 2];
        let chunks = red.chunks(SUMMED_BYTES).zip(blue.chunks(SUMMED_BYTES));
        for (green, (red, blue)) in green.chunks(SUMMED_BYTES).zip(chunks) {
            let mut dark = 0_u16;
            let [mut all_sums, mut dark_sums] = [[0_u16; CHANNELS]; 2];
            for (&green, (&red, &blue)) in green.iter().zip(red.iter().zip(blue)) {
                let mask = if green <= level { u16::MAX } else { 0 };
                dark += mask & 1;
                for (channel, value) in [red, green, blue].into_iter().enumerate() {
                    all_sums[channel] += u16::from(value);
                    dark_sums[channel] += u16::from(value) & mask;
                }
            }
            dark_count += u64::from(dark);
            for channel in 0..CHANNELS {
                sums[0][channel] += u64::from(dark_sums[channel]);
                sums[1][channel] += u64::from(all_sums[channel] - dark_sums[channel]);
            }
        }
        let counts = [dark_count, green.len() as u64 - dark_count];
        let mean = |class: usize| sums[class].map(|sum| (sum * 1000 / counts[class].max(1)) as u32);
        ClassMeans {
            dark_millilevels: mean(0),
            bright_millilevels: mean(1),
        }
    }
}

/// Half the side of the box that blurs by an eighth of a red cell: a box of width w blurs by
/// w / sqrt(12), and w = 0.433 d makes that d / 8.
pub(super) fn slope_radius(rbc_diameter: usize) -> usize {
    (rbc_diameter * 433 / 1000 / 2).max(1)
}

/// The smallest factor from `factor` on that keeps the copy of a frame within [`MAX_PIXELS`].
fn within_limit(mut factor: u32, frame: &Frame) -> u32 {
    let side = |side_px: u32, factor: u32| u64::from(side_px / factor);
    while side(frame.width_px(), factor) * side(frame.height_px(), factor) > MAX_PIXELS {
        factor += 1;
    }
    factor
}

/// A row of blocks of `FACTOR` pixels, two to four: sums stay in 16 bits. Means are made at every
/// column, in vector units, and those that are meant are taken, one in `STEP` bytes.
fn mean_of_blocks<const FACTOR: usize, const STEP: usize>(
    rows: &[u8],
    sums: &mut [u16],
    means: &mut [u8],
    out: [&mut [u8]; CHANNELS],
) {
    let row_bytes = sums.len();
    let rows: [&[u8]; FACTOR] = std::array::from_fn(|row| &rows[row * row_bytes..][..row_bytes]);
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum = (0..FACTOR).map(|row| u16::from(rows[row][at])).sum();
    }
    let area = (FACTOR * FACTOR) as u32;
    // Rounded up, this gives whole quotients of all sums below 2^16 / area.
    let reciprocal = (1_u32 << 16).div_ceil(area);
    let count = row_bytes - (FACTOR - 1) * CHANNELS;
    let columns: [&[u16]; FACTOR] =
        std::array::from_fn(|column| &sums[column * CHANNELS..][..count]);
    for (at, mean) in means[..count].iter_mut().enumerate() {
        let sum = (0..FACTOR).map(|column| columns[column][at]).sum::<u16>();
        *mean = ((u32::from(sum + (area / 2) as u16) * reciprocal) >> 16) as u8;
    }
    part::<STEP>(means, out);
}

/// Takes the first three values of every `STEP` as red, green and blue.
#[inline(never)]
fn part<const STEP: usize>(values: &[u8], [red, green, blue]: [&mut [u8]; CHANNELS]) {
    let (pixels, _) = values.as_chunks::<STEP>();
    let out = red.iter_mut().zip(green).zip(blue);
    for (pixel, ((red, green), blue)) in pixels.iter().zip(out) {
        (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
    }
}

/// A row of blocks of up to 256 pixels a side.
fn mean_of_large_blocks(
    rows: &[u8],
    factor: usize,
    sums: &mut [u16],
    [red, green, blue]: [&mut [u8]; CHANNELS],
) {
    let row_bytes = sums.len();
    sums.fill(0);
    for row in rows.chunks_exact(row_bytes) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += u16::from(value);
        }
    }
    let area = (factor * factor) as u32;
    let blocks = sums.chunks_exact(factor * CHANNELS);
    for (block, ((red, green), blue)) in blocks.zip(red.iter_mut().zip(green).zip(blue)) {
        let mut totals = [area / 2; CHANNELS];
        for values in block.chunks_exact(CHANNELS) {
            for (total, &value) in totals.iter_mut().zip(values) {
                *total += u32::from(value);
            }
        }
        [*red, *green, *blue] = totals.map(|total| (total / area) as u8);
    }
}

/// |across| + |along| over two pixels, at every pixel that has four neighbours.
fn fill_slopes<T: Copy + Into<u16>>(
    plane: &[T],
    width: usize,
    height: usize,
    slopes: &mut Vec<u16>,
) {
    let (inner_width, inner_height) = (width.saturating_sub(2), height.saturating_sub(2));
    slopes.resize(inner_width * inner_height, 0);
    if slopes.is_empty() {
        return;
    }
    for (y, slopes) in slopes.chunks_exact_mut(inner_width).enumerate() {
        let row = |y: usize, x: usize| plane[y * width + x..][..inner_width].iter();
        let across = row(y + 1, 0).zip(row(y + 1, 2));
        let along = row(y, 1).zip(row(y + 2, 1));
        for (slope, ((&left, &right), (&above, &below))) in slopes.iter_mut().zip(across.zip(along))
        {
            let across = left.into().abs_diff(right.into());
            *slope = across + above.into().abs_diff(below.into());
        }
    }
}

/// The slope that one pixel in two hundred exceeds: steep enough to be an edge, common enough not
/// to be a speck.
///
/// `groups` gives all `count` slopes, at most [`SLOPES_TOGETHER`] at once.
fn steepest<'a, Groups: Iterator<Item = &'a [u16]>>(
    groups: impl Fn() -> Groups,
    count: usize,
    largest_slopes: &mut Vec<u16>,
) -> u32 {
    const ONE_IN: usize = 200;
    let wanted = count / ONE_IN;
    largest_slopes.clear();
    largest_slopes.extend(groups().map(|slopes| slopes.iter().fold(0, |a, &b| a.max(b))));
    let largest = largest_slopes.iter().fold(0, |a, &b| a.max(b));
    let is_exceeded = |limit: u16| {
        let mut count = 0;
        for (slopes, &largest) in groups().zip(&*largest_slopes) {
            if largest >= limit {
                count += count_from(slopes, limit);
                if count > wanted {
                    return true;
                }
            }
        }
        false
    };
    u32::from(bisect(largest, is_exceeded))
}

/// The largest value up to `largest` for which `holds`, which holds up to some value only; 0 where
/// it never does.
fn bisect(largest: u16, holds: impl Fn(u16) -> bool) -> u16 {
    let (mut low, mut high) = (0, largest);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

fn count_below(values: &[u8], limit: u8) -> usize {
    let count = |values: &[u8]| {
        values
            .iter()
            .map(|&value| u8::from(value < limit))
            .sum::<u8>()
    };
    let chunks = values.chunks(COUNTED_BYTES);
    chunks.map(|values| usize::from(count(values))).sum()
}

/// Of a few values.
fn count_from(values: &[u16], limit: u16) -> usize {
    let count = values.iter().map(|&value| u16::from(value >= limit));
    usize::from(count.sum::<u16>())
}

/// How many of the paired values, each 0 or 1, differ.
fn count_differences(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.chunks(COUNTED_BYTES).zip(other.chunks(COUNTED_BYTES));
    let differences = chunks.map(|(one, other)| {
        let pairs = one.iter().zip(other);
        usize::from(pairs.map(|(one, other)| one ^ other).sum::<u8>())
    });
    differences.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_as_fine_as_the_cells_ask_for_up_to_a_limit() {
        // Factor, width and height of the copy, and the diameter of a red cell in it.
        let cases = [
            ((640, 480), Some(55), (1, 640, 480, 55)),
            ((640, 480), Some(62), (2, 320, 240, 31)),
            ((1280, 800), Some(55), (1, 1280, 800, 55)),
            ((1280, 800), Some(56), (2, 640, 400, 28)),
            ((1920, 1080), Some(62), (2, 960, 540, 31)),
            ((1920, 1080), None, (5, 384, 216, 54)),
            ((4056, 3040), Some(62), (4, 1014, 760, 15)),
            ((4056, 3040), Some(200), (7, 579, 434, 28)),
            ((8192, 2900), Some(8), (5, 1638, 580, 1)),
            // A cell is at most as large as the shorter side, and at least one pixel.
            ((300, 90), Some(900), (3, 100, 30, 30)),
            ((3, 2), None, (1, 3, 2, 1)),
        ];
        for (size_px, rbc_diameter_px, (factor, width, height, rbc_diameter)) in cases {
            let frame = Frame::filled(size_px.0, size_px.1, [200; 3]).unwrap();
            let expected = Reduction {
                factor,
                width,
                height,
                rbc_diameter,
            };
            let found = Reduction::of(&frame, rbc_diameter_px);
            assert_eq!(found, expected, "{size_px:?}, {rbc_diameter_px:?}");
        }
    }

    #[test]
    fn the_last_value_that_holds_is_found() {
        for (largest, last) in [(0, 0), (1, 0), (1, 1), (510, 0), (510, 77), (510, 510)] {
            assert_eq!(bisect(largest, |value| value <= last), last);
        }
    }
}
