//! How blurred the edges of cells are, with the camera's noise taken out.
//!
//! A Gaussian blur of variance `s²` leaves of an edge's slope, summed up along the normal,
//! `∫ f b = a / √(2π (2s² + v))` where `f` is the slope as it is and `b` the slope after a known
//! further blur of variance `v`, and `∫ b b = a / √(2π (2s² + 2v))`. Their quotient holds no step
//! height and no length of edge, only the two variances:
//!
//! ```text
//! q = (∫ f b / ∫ b b)² = (2s² + 2v) / (2s² + v)        s² = v (2 - q) / (2 (q - 1))
//! ```
//!
//! White noise adds to both sums what follows from its variance and the known kernel, so it is
//! measured where the frame is flat and subtracted. Only pixels near strong edges count: on flat
//! glass there is nothing but noise.

/// Fixed-point steps of one level, so that smoothed planes keep their slopes.
pub(super) const LEVEL: u16 = 16;

/// The reference blur's standard deviation as a share of a red cell: one part in this.
const REFERENCE_PARTS: usize = 16;
/// Kernels up to this half width: sums of a row stay in 16 bits.
const WIDEST_BOX: usize = 16;
/// Pixels whose products can be summed in 32 bits.
const SUMMED_PRODUCTS: usize = 64;
/// Fixed-point steps of the quotient of slopes.
const ONE: i64 = 1 << 12;
/// Edges must be stronger than noise would make them by this factor in energy.
const LEAST_ENERGY_OVER_NOISE: i64 = 25;
/// Edges of the whole frame must be stronger by this one for its parts to be scored: on the
/// simulated slide parts of a sharp frame have down to 0.4 times the energy of the whole, and a part
/// that drowns in noise looks blurred.
const LEAST_ENERGY_OF_PARTS: i64 = 100;

/// How wide edges of one direction may be, of what all together may be at the limit for their score,
/// in percent of the square: they are fewer, and scatter more.
const MOVED_WIDTH_PERCENT: u64 = 124;
/// By how much they may be wider than those of another direction, in percent of the same square.
/// Lenses alone bring one photographed frame in a hundred to 50.
const MOVED_DIFFERENCE_PERCENT: u64 = 60;

/// The edges' width squared that halves the score: (1/24)² of a red cell, in millionths.
const HALVING_WIDTH_SQUARED: u64 = 1736;

/// Diameter of red cells whose dark pixels have so many changes to bright neighbours, in
/// thousandths. A disc of diameter d has 4 d of them along rows and columns, on π d² / 4 pixels,
/// which is 5.1 / d; pallor and platelets raise it to some 5.8 / d on photographed smears. At most `most` pixels.
pub(super) fn diameter_from_texture(texture_permille: usize, most: usize) -> usize {
    const OF_CELLS: usize = 5_800;
    const LEAST: usize = 6;
    (OF_CELLS / texture_permille.max(1)).clamp(LEAST.min(most), most)
}

/// Weights of the reference blur along one axis: a box of `box_px` pixels over itself, a triangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference {
    box_px: usize,
}

impl Reference {
    /// For red cells of this diameter: the box whose double blurs by a sixteenth of it.
    pub(super) fn for_cells_of(rbc_diameter: usize) -> Self {
        // Two boxes of w pixels have the variance (w² - 1) / 6.
        let wanted = |box_px: usize| {
            (box_px * box_px - 1) * REFERENCE_PARTS * REFERENCE_PARTS
                <= 6 * rbc_diameter * rbc_diameter
        };
        let box_px = (2..=WIDEST_BOX).take_while(|&box_px| wanted(box_px)).last();
        Self {
            box_px: box_px.unwrap_or(2),
        }
    }

    /// The narrowest, which takes the noise of single pixels away.
    pub(super) fn finest() -> Self {
        Self { box_px: 2 }
    }

    /// Pixels on each side of the middle one.
    pub(super) fn reach(self) -> usize {
        self.box_px - 1
    }

    /// 1, 2 .. `box_px` .. 2, 1.
    pub(super) fn weights(self) -> impl ExactSizeIterator<Item = u16> {
        let box_px = self.box_px;
        (0..2 * box_px - 1).map(move |at| (at + 1).min(2 * box_px - 1 - at) as u16)
    }

    /// Their sum.
    pub(super) fn total(self) -> u32 {
        (self.box_px * self.box_px) as u32
    }

    /// What white noise of variance 1 adds at each pixel to the products of slopes, in millionths:
    /// (as they are by blurred, blurred by blurred), two directions together.
    fn noise_products_ppm(self) -> (i64, i64) {
        let weights = |at: i64| {
            let reach = self.reach() as i64;
            if at.abs() > reach {
                0
            } else {
                self.box_px as i64 - at.abs()
            }
        };
        let shared = |shift: i64| {
            let reach = 2 * self.box_px as i64;
            (-reach..=reach)
                .map(|at| weights(at) * weights(at + shift))
                .sum::<i64>()
        };
        let total = i64::from(self.total());
        // A slope is right minus left: the pixel itself twice, the one two further on once each.
        let once = 4 * weights(0) * (weights(0) - weights(2)) * 1_000_000 / (total * total);
        let twice = i128::from(4 * shared(0) * (shared(0) - shared(2))) * 1_000_000;
        let fourth = i128::from(total * total) * i128::from(total * total);
        (once, (twice / fourth) as i64)
    }
}

/// Which slopes belong to edges, and which to flat parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zones {
    /// Slopes from here on are near an edge.
    pub(super) edge_from: u16,
    /// Slopes below are flat.
    pub(super) flat_below: u16,
}

impl Zones {
    /// Edges have two fifths of the steepest slope, flat parts less than an eighth.
    pub(super) fn below(steepest: u32) -> Self {
        Self {
            edge_from: (steepest * 2 / 5).max(1) as u16,
            flat_below: (steepest / 8) as u16,
        }
    }
}

/// A row's neighbours on four sides.
pub(super) struct Neighbours<'a, T> {
    left: &'a [T],
    right: &'a [T],
    above: &'a [T],
    below: &'a [T],
}

impl<'a, T> Neighbours<'a, T> {
    /// Of `count` pixels from `start` on, in a plane that has a pixel on each side of them.
    pub(super) fn of(plane: &'a [T], start: usize, width: usize, count: usize) -> Self {
        let from = |start: usize| &plane[start..][..count];
        Self {
            left: from(start - 1),
            right: from(start + 1),
            above: from(start - width),
            below: from(start + width),
        }
    }
}

impl<T: Copy + Into<i32>> Neighbours<'_, T> {
    #[inline(always)]
    fn slope(&self, at: usize) -> (i32, i32) {
        (
            self.right[at].into() - self.left[at].into(),
            self.below[at].into() - self.above[at].into(),
        )
    }
}

/// Products of slopes along rows and along columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Products {
    pub(super) rows: i64,
    pub(super) columns: i64,
    /// The slope along rows by that along columns, both ways.
    pub(super) mixed: i64,
}

impl Products {
    fn add(&mut self, [rows, columns, mixed]: [i32; 3]) {
        self.rows += i64::from(rows);
        self.columns += i64::from(columns);
        self.mixed += i64::from(mixed);
    }

    /// Of the whole slopes.
    fn total(self) -> i64 {
        self.rows + self.columns
    }

    /// Twice the products of the slopes along each of four directions: rows, columns, diagonals.
    /// The noise in them is that of [`Products::total`].
    fn by_direction(self) -> [i64; 4] {
        let total = self.total();
        [
            2 * self.rows,
            2 * self.columns,
            total + self.mixed,
            total - self.mixed,
        ]
    }
}

/// Sums over the pixels near strong edges, and the noise beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct EdgeSums {
    pub(super) pixels: u64,
    /// Slopes as they are by slopes after the reference blur, in levels over two pixels and
    /// 1/[`LEVEL`] of them.
    pub(super) fine_by_blurred: Products,
    /// The blurred slopes' squares, in 1/[`LEVEL`]² levels.
    pub(super) blurred_squared: Products,
    /// Pixels of the flat parts, and their squared second differences across both diagonals.
    pub(super) flat_pixels: u64,
    pub(super) flat_squares: u64,
}

impl EdgeSums {
    /// The noise alone.
    pub(super) fn without_edges(&self) -> Self {
        Self {
            flat_pixels: self.flat_pixels,
            flat_squares: self.flat_squares,
            ..Self::default()
        }
    }

    /// Adds the pixels of a row that lie near an edge.
    pub(super) fn add_edges(
        &mut self,
        slopes: &[u16],
        fine: &Neighbours<'_, u8>,
        blurred: &Neighbours<'_, u16>,
        zones: Zones,
    ) {
        for (group, slopes) in slopes.chunks(SUMMED_PRODUCTS).enumerate() {
            let first = group * SUMMED_PRODUCTS;
            let mut pixels = 0_u32;
            let [mut by_rows, mut by_columns, mut by_mixed] = [0_i32; 3];
            let [mut rows, mut columns, mut mixed] = [0_i32; 3];
            for (at, &slope) in slopes.iter().enumerate() {
                let mask = -i32::from(slope >= zones.edge_from);
                let (fine_x, fine_y) = fine.slope(first + at);
                let (x, y) = blurred.slope(first + at);
                pixels += (mask & 1) as u32;
                by_rows += (fine_x * x) & mask;
                by_columns += (fine_y * y) & mask;
                by_mixed += (fine_x * y + fine_y * x) & mask;
                rows += (x * x) & mask;
                columns += (y * y) & mask;
                mixed += (2 * x * y) & mask;
            }
            self.pixels += u64::from(pixels);
            self.fine_by_blurred.add([by_rows, by_columns, by_mixed]);
            self.blurred_squared.add([rows, columns, mixed]);
        }
    }

    /// Adds the second differences of a row's flat pixels; `row` and the row below it are longer
    /// by one.
    pub(super) fn add_flat(&mut self, slopes: &[u16], row: &[u8], below: &[u8], zones: Zones) {
        for (group, slopes) in slopes.chunks(SUMMED_PRODUCTS).enumerate() {
            let first = group * SUMMED_PRODUCTS;
            let (mut pixels, mut squares) = (0_u32, 0_u32);
            for (at, &slope) in slopes.iter().enumerate() {
                let mask = -i32::from(slope < zones.flat_below);
                let value = |row: &[u8], at: usize| i32::from(row[first + at]);
                let difference =
                    value(row, at) - value(row, at + 1) - value(below, at) + value(below, at + 1);
                pixels += (mask & 1) as u32;
                squares += ((difference * difference) & mask) as u32;
            }
            self.flat_pixels += u64::from(pixels);
            self.flat_squares += u64::from(squares);
        }
    }

    /// 0 (blurred, or nothing but noise) to 100; half where edges are 1/24 of a red cell wide.
    pub(super) fn score(&self, reference: Reference, rbc_diameter: usize) -> u8 {
        let slopes = [self.fine_by_blurred.total(), self.blurred_squared.total()];
        self.score_of(slopes, reference, rbc_diameter)
    }

    /// Whether edges that face one of four directions are too soft where the limit for the score
    /// of all is `min_score`, alone or against those of another: movement during the exposure
    /// softens those across it only.
    pub(super) fn are_moved(
        &self,
        reference: Reference,
        rbc_diameter: usize,
        min_score: u8,
    ) -> bool {
        let fine = self.fine_by_blurred.by_direction();
        let squared = self.blurred_squared.by_direction();
        let widths = fine.into_iter().zip(squared).map(|(fine, squared)| {
            self.width_squared_millionths([fine, squared], reference, rbc_diameter)
                .unwrap_or(u64::MAX)
        });
        let sharpest = widths.clone().min().unwrap_or(0);
        let softest = widths.max().unwrap_or(0);
        let min_score = u64::from(min_score.clamp(1, 100));
        let allowed = HALVING_WIDTH_SQUARED * (100 - min_score) / min_score;
        softest > allowed * MOVED_WIDTH_PERCENT / 100
            || softest - sharpest > allowed * MOVED_DIFFERENCE_PERCENT / 100
    }

    fn score_of(&self, slopes: [i64; 2], reference: Reference, rbc_diameter: usize) -> u8 {
        let Some(width_squared) = self.width_squared_millionths(slopes, reference, rbc_diameter)
        else {
            return 0;
        };
        (100 * HALVING_WIDTH_SQUARED / (HALVING_WIDTH_SQUARED + width_squared)) as u8
    }

    /// Whether edges stand so far above the noise that a part of the frame, whose own may be
    /// fainter, can still be scored.
    pub(super) fn can_be_parted(&self, reference: Reference) -> bool {
        let noise = self.of_noise(reference.noise_products_ppm().1);
        self.blurred_squared.total() - noise > LEAST_ENERGY_OF_PARTS * noise
    }

    /// What the noise adds to products of slopes of which white noise of variance 1 adds so many
    /// millionths at each pixel.
    fn of_noise(&self, products_ppm: i64) -> i64 {
        let level = i64::from(LEVEL);
        // A second difference of four pixels has four times the variance of one.
        let noise_ppm = (self.flat_squares * 1_000_000 / (4 * self.flat_pixels.max(1))) as i64;
        let at_each = i128::from(noise_ppm) * i128::from(products_ppm);
        (at_each * i128::from(self.pixels as i64 * level * level) / 1_000_000_000_000) as i64
    }

    /// The edges' variance in millionths of a red cell squared, from sums of slopes by blurred
    /// slopes and of blurred ones squared; nothing where noise is as strong as they are.
    fn width_squared_millionths(
        &self,
        [fine_by_blurred, blurred_squared]: [i64; 2],
        reference: Reference,
        rbc_diameter: usize,
    ) -> Option<u64> {
        let level = i64::from(LEVEL);
        let (once_ppm, twice_ppm) = reference.noise_products_ppm();
        let blurred_noise = self.of_noise(twice_ppm);
        let energy = blurred_squared - blurred_noise;
        if self.pixels == 0 || energy <= LEAST_ENERGY_OVER_NOISE * blurred_noise {
            return None;
        }
        let fine = fine_by_blurred * level - self.of_noise(once_ppm);
        let slope = (i128::from(fine.max(0)) * i128::from(ONE) / i128::from(energy)) as i64;
        // q in 1/2^24, from 1 (no limit to the blur) to 2 (none).
        let (one, two) = (ONE * ONE, 2 * ONE * ONE);
        let quotient = (slope.saturating_mul(slope)).clamp(one + one / 1000, two);
        let box_squared = i64::from(reference.total());
        // v = (w² - 1) / 6; slopes over two pixels add a third of a square pixel of their own.
        let variance_ppm = (box_squared - 1) * 1_000_000 / 6;
        let in_pixels_ppm = i128::from(variance_ppm) * i128::from(two - quotient)
            / i128::from(2 * (quotient - one))
            - 333_333;
        let diameter = rbc_diameter.max(1) as i128;
        Some((in_pixels_ppm.max(0) / (diameter * diameter)) as u64)
    }
}
